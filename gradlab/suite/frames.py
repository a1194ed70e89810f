"""What claims and figures ask of a table again and again."""

import re

LAG = re.compile(r"(?P<column>.+)_lag_(?P<lag>\d+)")


class NotMeasured(Exception):
    """Raised by what reads a table when the table lacks the rows it needs."""


class near:
    """For `rows`: the value of the column that is nearest to the wanted one, or to each of some."""

    def __init__(self, *wanted):
        self.wanted = wanted

    def __call__(self, values):
        found = [nearest(values, wanted) for wanted in self.wanted]
        return found if len(found) > 1 else found[0]

    def __repr__(self):
        return f"near {' or '.join(f'{wanted:g}' for wanted in self.wanted)}"


class above:
    """For `rows`: the values above a limit."""

    def __init__(self, limit):
        self.limit = limit

    def __contains__(self, value):
        return value > self.limit

    def __repr__(self):
        return f"above {self.limit:g}"


class nth:
    """For `rows`: the column's value in that place, 0 the smallest, if it has so many."""

    def __init__(self, place):
        self.place = place

    def __call__(self, values):
        return next(iter(sorted(set(values))[self.place :]), None)

    def __repr__(self):
        return f"value no. {self.place + 1}"


class other_than:
    """For `rows`: the values that are none of these."""

    def __init__(self, values):
        self.values = values

    def __contains__(self, value):
        return value not in self.values

    def __repr__(self):
        return f"other than {', '.join(map(_word, self.values))}"


class every(tuple):
    """For `rows` and a claim's `about`: these values, each of which the table must have."""

    def check(self, name, column):
        """Raises NotMeasured if the column lacks one of them."""
        there = set(column)
        if missing := [value for value in self if value not in there]:
            raise NotMeasured(f"needs rows with {described({name: missing[0]})}")

    def __repr__(self):
        return f"each of {', '.join(map(_word, self))}"


def rows(frame, **values):
    """The rows with these values. Raises NotMeasured if there are none.

    A value is one that the column must hold, a container of such (a list, a range, a Span,
    above(0), `other_than` or `every` of some), or a function of the column that chooses one: max,
    min, near(1.2), nth(0).
    """
    for name, wanted in values.items():
        if isinstance(wanted, every):
            wanted.check(name, frame[name])
        frame = frame[_chosen(frame[name], wanted)]
    if frame.empty:
        raise NotMeasured(f"needs rows with {described(values)}")
    return frame


def _chosen(column, wanted):
    if callable(wanted):
        wanted = wanted(column) if len(column) else []
    if hasattr(wanted, "__contains__") and not isinstance(wanted, str):
        return column.map(lambda value: value in wanted).astype(bool)
    return column == wanted


def read_column(column, frame):
    """A column of a table: by name, as an expression of names, or as a function of the table.

    An expression is pandas' (`DataFrame.eval`): "log10(first) - step * spectral_radius**2". Raises
    KeyError for a name that the table lacks.
    """
    if callable(column):
        return column(frame)
    if column in frame or column.isidentifier():
        return frame[column]
    try:
        return frame.eval(column, engine="python")  # numexpr, where there is one, rounds otherwise
    except NameError as lacking:
        raise KeyError(str(lacking).split("'")[1]) from None


def column_name(column):
    """What `read_column` reads, in words: a function's name without its underscores."""
    return column.__name__.replace("_", " ") if callable(column) else column


def kept(column, **where):
    """For readings and panels: a column in the rows that `rows` chooses, nan in all others."""

    def among(frame):
        chosen = rows(frame, **where).index
        return read_column(column, frame).where(frame.index.isin(chosen))

    among.__name__ = f"{column_name(column)} where {described(where)}"
    return among


def described(values):
    """A selection of rows in words: "spectral_radius=0.8, sequence_length=max"."""
    words = (f"{name}={_word(value)}" for name, value in values.items())
    return ", ".join(words)


def _word(value):
    if isinstance(value, float):
        return f"{value:g}"
    return getattr(value, "__name__", None) or str(value)


def nearest(values, wanted):
    """The value nearest to the wanted one."""
    return min(set(values), key=lambda value: value != wanted and abs(value - wanted))


def lags(frame, column):
    """The columns `column`_lag_N as rows: the frame with `lag` and `column`, one row a lag.

    The only reader of a lag in a column's name. Raises NotMeasured if there is no such column.
    """
    named = {m.string: int(m["lag"]) for m in map(LAG.fullmatch, frame) if m}
    found = {name: lag for name, lag in named.items() if name == f"{column}_lag_{lag}"}
    if not found:
        raise NotMeasured(f"needs columns {column}_lag_N")
    kept = [name for name in frame if name not in named]
    long = frame.melt(kept, list(found), "lag", column)
    return long.assign(lag=long["lag"].map(found)).sort_values("lag", kind="stable")


def wilson(hits, runs, level=0.95):
    """(share, low, high): hits of runs and the interval of Wilson (1927), as SciPy has it.

    With n runs and p = hits/n: (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2))/(1 + z^2/n). Unlike
    p -+ z sqrt(p (1 - p)/n) it says something where all runs or none of them hit.
    """
    from scipy.stats import binomtest  # here: it takes half a second, and few tables need it

    found = binomtest(round(hits), int(runs)).proportion_ci(level, "wilson")
    return hits / runs, found.low, found.high


def interval(frame, column, **values):
    """`wilson` of the rows with these values where a column of zeros and ones is 1."""
    known = rows(frame, **values)[column]
    return wilson(float(known.sum()), len(known))
