"""Commands in this process, for trials that must reach into it; the toy without its figure."""

import contextlib
import io
from types import SimpleNamespace

from faults.children import TOY
from gradlab import runner
from gradlab.cli import main as called
from gradlab.errors import UserError

NO_FIGURE = SimpleNamespace(draw=lambda *_: None, NoRows=UserError)


def toy(*values):
    """The words of a run of the toy with --set values."""
    return ["run", TOY, "--workers", "1", *(word for one in values for word in ("--set", one))]


def main(*words, folder=None):
    """(exit code, what it said on stderr) of a command."""
    out, err = io.StringIO(), io.StringIO()
    more = [] if folder is None else ["--results", str(folder)]
    drawing, runner.drawing = runner.drawing, lambda: NO_FIGURE
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = called([*words, *more])
    finally:
        runner.drawing = drawing
    return code, err.getvalue()
