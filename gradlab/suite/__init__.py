"""An experiment from its grid to a table, a figure and checked claims; knows no network.

What stands here loads the standard library only, so that listing experiments is quick; helpers
that read tables come with their first use.
"""

from gradlab.suite.experiment import Claim, Experiment, NotMeasured, Span, Verdict

__all__ = [
    "Claim", "Experiment", "NotMeasured", "Span", "Verdict", "crossing", "nearest", "rows",
    "share", "wilson",
]  # fmt: skip


def __getattr__(name):
    if name in __all__:
        from gradlab.suite import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
