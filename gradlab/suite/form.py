"""What a command writes in an experiment's form, so that `plot` and `export` work on it."""

from dataclasses import dataclass

from gradlab.suite.experiment import Experiment


@dataclass(eq=False)
class Form(Experiment):
    """An experiment of a command's: it has no reference run, and its grid follows from a model.

    It stands in gradlab/forms and is found by the name that a table's provenance says.
    """

    def is_quick(self, frame):
        """Never: there is no quick grid."""
        return False

    def other_values(self, frame) -> str:
        """Nothing: no other grid is the right one."""
        return ""
