"""Two tables of one experiment: equal, within rounding, within intervals, or different.

Another machine's BLAS rounds differently. Most numbers then differ in their last digits; those of
a training, or of a chaotic network, in all of them. Given the draws, rounding is the only chance
there is: were it all, a block's new value would be the larger one as often as the smaller one. So
of the blocks where a column differs, Wilson's interval of the share that is larger must hold one
half: overall and at each value of each axis, at 95 % for all of these tests together. (For a
column of zeros and ones this is McNemar's test.) Few blocks cannot show a difference, and the
report says how many there were.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from gradlab.suite.frames import wilson

EQUAL, ROUNDING, INTERVALS, DIFFERENT = "equal", "within rounding", "within intervals", "different"
TIMES = "times"
RELATIVE, OF_COLUMN, ABSOLUTE = 1e-6, 1e-9, 1e-12
LEVEL = 0.05
UNCOMPARED = ("message",)  # it names lines of files


class Outcome(NamedTuple):
    """A word and, in one line, what is behind it."""

    word: str
    reason: str

    def __str__(self):
        return f"{self.word}: {self.reason}"


def compare(new, old, keys, units=(), decided=None, whole=True):
    """The Outcome of holding one table against another.

    keys     the columns that name a row; constants of the run among them.
    units    the columns whose values together name what chance meets independently: a block's
             and the seed.
    decided  mask of the rows of a frame that rounding decides; default `above_the_edge`.
    whole    rows that stand in one table only are a difference.
    """
    keys = [key for key in keys if key in new and key in old]
    new, old = (frame.set_index(keys, drop=False) for frame in (new, old))
    common = old.index[old.index.isin(new.index)]
    if not len(common):
        return Outcome(DIFFERENT, "no row stands in both tables")
    faults = _shape_faults(new, old, len(common), whole)
    new, old = new.loc[common], old.loc[common]
    columns = [c for c in old if c in new and c not in keys and c not in UNCOMPARED]
    apart = {c: _apart(new[c], old[c]) for c in columns}
    chance = np.asarray((decided or above_the_edge)(old), bool)
    faults += _strict_faults(apart, ~chance)
    far = {c: found for c, found in apart.items() if (found > 1).any()}
    if far:
        units = [unit for unit in units if unit in keys]
        faults += _uneven(new[list(far)], old, keys, units, chance)
    if faults:
        return Outcome(DIFFERENT, "; ".join(faults))
    if far:
        count = int(np.any([found > 1 for found in far.values()], axis=0).sum())
        return Outcome(
            INTERVALS,
            f"rounding decides {count} of {len(common)} rows (chaos or training), larger as "
            f"often as smaller in {len(far)} columns",
        )
    return _close(apart, len(common), new, old)


def above_the_edge(frame):
    """The rows of networks that may be chaotic: a spectral radius or gain above 1."""
    chaotic = np.zeros(len(frame), bool)
    for name in ("spectral_radius", "gain"):
        if name in frame:
            chaotic |= frame[name].to_numpy() > 1
    return chaotic


def every_row(frame):
    """All rows: trainings, each of which rounding can turn."""
    return np.ones(len(frame), bool)


def _shape_faults(new, old, common, whole):
    faults = []
    for what, one, other in (("new", new, old), ("old", old, new)):
        if columns := [name for name in one if name not in other and name not in UNCOMPARED]:
            faults.append(f"only the {what} table has {', '.join(columns)}")
        if whole and len(one) > common:
            faults.append(f"{len(one) - common} rows stand in the {what} table only")
    return faults


def _apart(new, old):
    """|new - old| over what rounding may do, inf where text or a missing number differs."""
    if not all(pd.api.types.is_numeric_dtype(column) for column in (new, old)):
        return np.where(new.astype(str).to_numpy() == old.astype(str).to_numpy(), 0.0, np.inf)
    new, old = (column.to_numpy(float) for column in (new, old))
    with np.errstate(all="ignore"):
        sizes = np.fmax(np.abs(new), np.abs(old))
        allowed = RELATIVE * sizes + OF_COLUMN * _scale(old) + ABSOLUTE
        apart = np.abs(new - old) / allowed
    same = (new == old) | (np.isnan(new) & np.isnan(old))
    finite = np.isfinite(new) & np.isfinite(old)
    return np.where(same, 0.0, np.where(finite, apart, np.inf))


def _strict_faults(apart, strict):
    faults = []
    for column, found in apart.items():
        if rows := int(((found > 1) & strict).sum()):
            by = found[strict].max()
            how = f", up to {by:.2g} times what rounding may" if np.isfinite(by) else ""
            faults.append(f"{column} in {rows} rows{how}")
    return faults


def _uneven(new, old, keys, units, chance):
    """The columns that are larger, or smaller, in too many of the units."""
    groups = old[units].apply(tuple, axis=1).to_numpy() if units else np.arange(len(old))
    groups = pd.factorize(groups)[0]
    places = [(None, None, chance)] + [
        (key, value, chance & (old[key] == value).to_numpy())
        for key in keys
        if 1 < old[key].nunique() <= 50
        for value in old[key].unique()
    ]
    signs = {c: s for column in new for c, s in _signs(column, new[column], old[column])}
    tests = []
    for column, sign in signs.items():
        for key, value, mask in places:
            sums = np.bincount(groups[mask], sign[mask], groups.max() + 1)
            larger, smaller = int((sums > 0).sum()), int((sums < 0).sum())
            if larger + smaller:
                tests.append((column, key, value, larger, larger + smaller))
    return _rejected(tests)


def _rejected(tests):
    if not tests:
        return []
    faults = {}
    for column, key, value, larger, both in tests:
        _, low, high = wilson(larger, both, 1 - LEVEL / len(tests))
        if not low <= 0.5 <= high and column not in faults:
            where = "" if key is None else f" at {key} = {value}"
            faults[column] = f"{column} is larger in {larger} of the {both} blocks apart{where}"
    return list(faults.values())


def _signs(column, new, old):
    """(name, +1, 0 or -1 a row): which is larger; of text, one for each value's presence."""
    if all(pd.api.types.is_numeric_dtype(values) for values in (new, old)):
        # a missing number counts as larger than all others
        new, old = (np.nan_to_num(v.to_numpy(float), nan=np.inf, posinf=1e308) for v in (new, old))
        return [(column, (new > old) * 1.0 - (new < old))]
    new, old = (values.astype(str).to_numpy() for values in (new, old))
    return [
        (f"{column} {value}", (new == value) * 1.0 - (old == value))
        for value in sorted({*new, *old})
    ]


def _close(apart, rows, new, old):
    differing = {column: found.max() for column, found in apart.items() if found.any()}
    if not differing:
        return Outcome(EQUAL, f"{rows} rows, bit for bit")
    worst = {column: _largest(new[column], old[column]) for column in differing}
    column = max(worst, key=worst.get)
    if not worst[column]:
        return Outcome(ROUNDING, f"{rows} rows, no difference above {ABSOLUTE:g}")
    largest = f"largest relative difference {worst[column]:.2g}, in {column}"
    return Outcome(ROUNDING, f"{rows} rows, {largest}")


def _largest(new, old):
    """The largest |new - old| above ABSOLUTE, over the numbers or, if larger, their median."""
    new, old = (values.to_numpy(float) for values in (new, old))
    with np.errstate(invalid="ignore"):
        differ = np.abs(new - old) > ABSOLUTE
    differ &= np.isfinite(new) & np.isfinite(old)
    new, old, scale = new[differ], old[differ], _scale(old)
    sizes = np.maximum(np.maximum(np.abs(new), np.abs(old)), scale)
    return float(np.max(np.abs(new - old) / sizes, initial=0.0))


def _scale(values):
    """The median size of a column's finite numbers but zeros."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return np.median(sizes) if sizes.size else 0.0
