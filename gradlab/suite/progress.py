"""How far a sweep is: a bar in a terminal, one in a notebook, none where nobody watches."""

import sys
import time
from contextlib import nullcontext

EVERY = 0.2  # seconds between two looks at a notebook's bar


def bar(total):
    """An object with `update(points)` for a `with` statement."""
    if in_notebook():
        return NotebookBar(total)
    if not watched(sys.stderr):
        return NoBar()
    from tqdm import tqdm

    return tqdm(total=total, unit=" points")


def in_notebook():
    """Whether this is a Jupyter kernel."""
    # ipykernel alone may be loaded by a library, IPython alone is a terminal
    shell = sys.modules.get("IPython")
    return "ipykernel" in sys.modules and shell and shell.get_ipython() is not None


def watched(stream):
    """Whether a stream is a terminal; pythonw has None for it, others a logger without isatty."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # ValueError: it is closed
        return False


class NoBar(nullcontext):
    """No bar at all."""

    def __enter__(self):
        return self

    def update(self, points):
        """Nobody counts."""


class NotebookBar:
    """The browser's own progress bar in the cell's output; it needs no widgets.

    It goes when the sweep is through: a saved notebook keeps the sweep's words and no half bar.
    """

    def __init__(self, total):
        self.total, self.done, self._shown = total, 0, 0.0

    def __enter__(self):
        from IPython.display import display

        self._handle = display(self, display_id=True)
        return self

    def update(self, points):
        """Count points that are done."""
        self.done += points
        if time.monotonic() - self._shown > EVERY:
            self._shown = time.monotonic()
            self._handle.update(self)

    def __exit__(self, *_):
        self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def __repr__(self):
        return f"{self.done} of {self.total} points"

    def _repr_html_(self):
        bar = f'<progress value="{self.done}" max="{self.total}" style="width: 24em"></progress>'
        return f"{bar} {self!r}"
