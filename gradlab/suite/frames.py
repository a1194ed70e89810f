"""What claims and figures ask of a table again and again."""

import numpy as np

from gradlab.suite.experiment import NotMeasured


def rows(frame, **values):
    """The rows with these values. Raises NotMeasured if there are none."""
    for name, value in values.items():
        frame = frame[frame[name] == value]
    if frame.empty:
        wanted = ", ".join(f"{name}={value}" for name, value in values.items())
        raise NotMeasured(f"needs rows with {wanted}")
    return frame


def crossing(frame, axis, column):
    """Where on an axis a column's median passes upwards through 0, by linear interpolation.

    Medians: near an edge a few seeds settle on a fixed point and pull a mean far away. Raises
    NotMeasured if the table does not hold both sides.
    """
    medians = frame.groupby(axis)[column].median()
    above = np.flatnonzero(medians.to_numpy() > 0)
    if not above.size or above[0] == 0:
        raise NotMeasured(f"needs values of {axis} on both sides of {column} = 0")
    (low, high), (x, y) = (part[above[0] - 1 :][:2] for part in (medians.array, medians.index))
    return float(x + (y - x) * low / (low - high))


def nearest(values, wanted):
    """The value nearest to the wanted one."""
    return min(set(values), key=lambda value: abs(value - wanted))
