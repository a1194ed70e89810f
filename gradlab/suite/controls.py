"""Controls: a wrong world made of a table, on which a claim must fall short.

Each is a record that is called with a table and returns another one, and says in words what is
wrong with it. A function (frame) -> frame with a docstring may stand wherever one of them may.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gradlab.suite.frames import column_name, read_column


@dataclass(frozen=True)
class Control:
    """A stated error: `words` says which, `make(frame)` returns the table that has it.

    plausible: whether somebody who got something wrong could have made such a table.
    """

    words: str
    make: Callable
    plausible: bool = True

    def __call__(self, frame):
        return self.make(frame.copy())

    def __str__(self):
        return self.words


def swap(column, one, other):
    """The rows of one value pass for those of another, and the other way round."""
    return Control(
        f"{column} {one} and {other} change places",
        lambda frame: frame.assign(
            **{column: frame[column].map(lambda value: {one: other, other: one}.get(value, value))}
        ),
    )


def passes_for(wrong, right):
    """A column, by name, as an expression or as a function frame -> values, passes for another."""
    return Control(
        f"{column_name(wrong)} passes for {right}",
        lambda frame: frame.assign(**{right: read_column(wrong, frame)}),
    )


def scaled(column, factor):
    """A column is so many times what it is."""
    return Control(
        f"{column} times {factor:g}",
        lambda frame: frame.assign(**{column: frame[column] * factor}),
    )


def shifted(column, by):
    """A column is so much more than it is."""
    return Control(
        f"{column} plus {by:g}", lambda frame: frame.assign(**{column: frame[column] + by})
    )


def always(column, value):
    """A column holds one value everywhere: a caricature, for where no plausible error is known."""
    words = f"{column} is {value} everywhere"
    return Control(words, lambda frame: frame.assign(**{column: value}), plausible=False)


def shuffled(column):
    """A column's values are dealt out to other rows: a caricature, as of `always`."""
    return Control(
        f"{column} is dealt out to other rows",
        lambda frame: frame.assign(
            **{column: frame[column].sample(frac=1, random_state=0).to_numpy()}
        ),
        plausible=False,
    )
