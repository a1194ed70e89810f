"""Experiments, and the way from a grid to a table, a figure and checked claims."""

from gradlab.suite.experiment import Claim, Experiment, NotMeasured, Verdict

__all__ = ["Claim", "Experiment", "NotMeasured", "Verdict"]
