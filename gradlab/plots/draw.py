"""An experiment's figure, drawn from a table alone and written to a file.

It says no more than the table shows: its headline is the experiment's question unless all claims
hold on the table, and are about all of it; and it says so where the table is of a quick run or of
other settings.
"""

from gradlab.errors import UserError, placed
from gradlab.files import expanded, replacing
from gradlab.plots import style
from gradlab.plots.page import Page
from gradlab.suite.claims import FALLS_SHORT, NOT_MEASURED
from gradlab.suite.frames import NotMeasured


class NoRows(UserError):
    """The table lacks the rows that the figure is drawn from."""


def draw(experiment, frame, path, kind=None):
    """Draw the experiment's figure from a table into a PNG, PDF or SVG.

    kind: "png", "pdf" or "svg", else what the path's suffix says. Raises UserError if the table
    lacks rows that every figure of the experiment needs (NoRows), and, naming the line, if the
    figure cannot be drawn.
    """
    with style.style():
        try:
            figure = drawn(experiment, frame)
        except NotMeasured as lacking:
            raise NoRows(f"no figure of {experiment.name}: it {lacking}") from None
        except UserError as error:
            raise UserError(f"{experiment.name} has no figure: {error}") from error
        except Exception as error:
            raise _no_figure(experiment, error) from error
        with replacing(path) as temporary:
            try:
                style.save(figure, temporary, kind or expanded(path).suffix[1:].lower())
            except (ValueError, RuntimeError) as error:  # text that cannot be set
                raise _no_figure(experiment, error) from error


def drawn(experiment, frame):
    """The figure of a table. Raises NotMeasured if the table lacks the rows of all of it."""
    whole = experiment.completed(frame)
    parts = experiment.apart(whole)
    figure, verdicts = _figure(experiment, whole, parts), experiment.verdicts(frame)
    short = [v.claim.name for v in verdicts if v.outcome == FALLS_SHORT]
    missing = [v.claim.name for v in verdicts if v.outcome == NOT_MEASURED]
    if short or missing or len(parts) > 1:  # claims are about the file's own settings
        style.headline(figure, experiment.question)
    said = [figure.get_supxlabel()]
    if other := experiment.other_values(frame):
        said.append(f"another grid than the reference run's: {other}")
    if short:
        said.append(f"this table does not bear out: {'; '.join(short)}")
    if missing:
        said.append(f"not measured by this table: {'; '.join(missing)}")
    style.caption(figure, "\n".join(said))
    if experiment.is_quick(frame):
        style.stamp(figure, "quick run")
    return figure


def _figure(experiment, frame, parts):
    """A page a value of what is one value in the file, one below the other."""
    if len(parts) > 1 and isinstance(experiment.figure, Page):
        return experiment.figure.of_parts(parts)
    return experiment.figure(frame)


def _no_figure(experiment, error):
    return UserError(f"{experiment.name} has no figure: {placed(error)}")
