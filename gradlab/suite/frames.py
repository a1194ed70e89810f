"""What claims and figures ask of a table again and again."""

import math

import numpy as np

from gradlab.suite.experiment import NotMeasured

Z = 1.959963984540054  # of a 95 % interval


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


def wilson(hits, runs, z=Z):
    """(share, low, high): hits of runs and the 95 % interval of Wilson (1927).

    With n runs and p = hits/n: (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2))/(1 + z^2/n). Unlike
    p -+ z sqrt(p (1 - p)/n) it says something where all runs or none of them hit.
    """
    share = hits / runs
    middle = share + z**2 / (2 * runs)
    width = z * math.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    whole = 1 + z**2 / runs
    return share, max(0.0, (middle - width) / whole), min(1.0, (middle + width) / whole)


def share(frame, column, **values):
    """`wilson` of the rows with these values where a column of zeros and ones is 1."""
    known = rows(frame, **values)[column]
    return wilson(float(known.sum()), len(known))
