"""How far a sweep is: a bar in a terminal or a notebook, else lines; nothing if nobody listens."""

import contextvars
import sys
import threading
import time
from contextlib import nullcontext

from gradlab import underway
from gradlab.suite import tell
from gradlab.suite.plan import duration

EVERY = 0.2  # seconds between two looks at a notebook's bar
TICK = 2.0  # seconds between two looks at how many updates trainings made
APART, LONGEST = 5.0, 30.0  # seconds between two lines, at least and about at most


def bar(total, expected=0.0, wait=0.0):
    """An object with `update(points, seconds)` for a `with` statement.

    total points; expected: the seconds of one worker that all of them take, and wait: those that
    will go by, as far as one knows.
    """
    if not tell.is_aloud():
        return NoBar()
    if in_notebook():
        return NotebookBar(total)
    return TerminalBar(total) if watched(sys.stderr) else Lines(total, expected, wait)


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

    def update(self, points, seconds=0.0):
        """Nobody counts."""

    def say(self, text):
        """Say something else meanwhile."""
        tell.say(text)


class Ticking(NoBar):
    """Looks at the updates that trainings make while no block is through, and tells their rate."""

    def __enter__(self):
        self._ended = threading.Event()
        look = contextvars.copy_context().run  # in which somebody listens
        self._ticks = threading.Thread(target=look, args=(self._look,), daemon=True)
        self._ticks.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._ticks.join()

    def _look(self):
        before, then = underway.updates(), time.monotonic()
        while not self._ended.wait(TICK):
            now, moment = underway.updates(), time.monotonic()
            if now > before:
                self.tick((now - before) / (moment - then))
            before, then = now, moment

    def tick(self, rate):
        """Tell how many updates a second all trainings make together."""


class TerminalBar(Ticking):
    """tqdm's bar on stderr."""

    def __init__(self, total):
        from tqdm import tqdm

        self._bar = tqdm(total=total, unit=" points")

    def update(self, points, seconds=0.0):
        """Count points that are done."""
        self._bar.update(points)

    def say(self, text):
        """Say it above the bar."""
        self._bar.write(text)

    def tick(self, rate):
        """Tell it behind the bar."""
        self._bar.set_postfix_str(f"{rate:,.0f} updates/s")

    def __exit__(self, *_):
        super().__exit__()
        self._bar.close()


class Lines(Ticking):
    """A line at each tenth of the points, but some seconds apart, and after each half minute.

    What is left follows from what was done since the first points came, which may have waited for
    a compiler; it is counted in expected seconds, for blocks differ and the slowest run first, or
    in points where nothing is expected. Until then it is what was foretold.
    """

    def __init__(self, total, expected, wait):
        self.total, self.expected, self.wait = total, expected, wait
        self.done, self.past, self._tenth, self._first = 0, 0.0, 0, None
        self._rate = 0.0
        self._start = self._told = time.monotonic()

    def update(self, points, seconds=0.0):
        """Count points that are done, of which these seconds were expected."""
        self.done, self.past = self.done + points, self.past + seconds
        self._first = self._first or (time.monotonic(), self._share())
        tenth, waited = 10 * self.done // self.total, time.monotonic() - self._told
        if waited >= (APART if tenth > self._tenth else LONGEST):
            self._tell(tenth)

    def tick(self, rate):
        """Keep it for the next line; one is due where no block has been through for long."""
        self._rate = rate
        if time.monotonic() - self._told >= LONGEST:
            self._tell(self._tenth)

    def _tell(self, tenth):
        if self.done < self.total:
            self._tenth, self._told = tenth, time.monotonic()
            tell.say(self)

    def _share(self):
        return self.past / self.expected if self.expected else self.done / self.total

    def _left(self):
        """Seconds, None if they cannot be told yet."""
        if self._first is None:
            return self.wait or None
        share, (first, before) = self._share(), self._first
        since = time.monotonic() - first
        if since >= APART and share > before:
            return since * (1 - share) / (share - before)
        return self.wait * (1 - share) if self.wait else None

    def __str__(self):
        left, gone = self._left(), time.monotonic() - self._start
        more = "time left not known yet" if left is None else f"about {duration(left)} left"
        more += f", {self._rate:,.0f} updates/s" if self._rate else ""
        return f"{self.done} of {self.total} points, {duration(gone)} gone, {more}"


class NotebookBar(NoBar):
    """The browser's own progress bar in the cell's output; it needs no widgets.

    It goes when the sweep is through: a saved notebook keeps the sweep's words and no half bar.
    """

    def __init__(self, total):
        self.total, self.done, self._shown = total, 0, 0.0

    def __enter__(self):
        from IPython.display import display

        self._handle = display(self, display_id=True)
        return self

    def update(self, points, seconds=0.0):
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
