"""An experiment from its grid to a table, a figure and checked claims; knows no network.

Experiment, Claim, Span                          what an experiment file says
median mean largest smallest worst share
slope crossing most                              readings: one number from a table
swap passes_for scaled shifted always shuffled   controls: a wrong table
rows kept near nth above other_than every        which rows a reading or a panel takes
nearest lags wilson interval NotMeasured         what functions ask of a table
"""

from gradlab.suite.claims import Claim, Span, Verdict
from gradlab.suite.controls import always, passes_for, scaled, shifted, shuffled, swap
from gradlab.suite.experiment import Experiment
from gradlab.suite.frames import (
    NotMeasured,
    above,
    every,
    interval,
    kept,
    lags,
    near,
    nearest,
    nth,
    other_than,
    rows,
    wilson,
)
from gradlab.suite.readings import (
    Reading,
    crossing,
    largest,
    mean,
    median,
    most,
    share,
    slope,
    smallest,
    worst,
)

__all__ = [
    "Claim", "Experiment", "NotMeasured", "Reading", "Span", "Verdict", "above", "always",
    "crossing", "every", "interval", "kept", "lags", "largest", "mean", "median", "most", "near",
    "nearest", "nth", "other_than", "passes_for", "rows", "scaled", "share", "shifted", "shuffled",
    "slope", "smallest", "swap", "wilson", "worst",
]  # fmt: skip
