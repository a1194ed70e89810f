"""`gradlab explore` and `gradlab.explore()`: the page in a browser, or in a notebook."""

import contextlib
import html
import sys
import webbrowser

from gradlab.errors import UserError
from gradlab.explorer.state import State

SWITCH = 5e-4  # seconds that a thread waits for Python: with 5 ms a move waits thrice for one
INSTALL = "explore needs Bokeh: pip install 'gradlab[explore]'"


def command(values, port, browser):
    """Serve until the last tab closes or Ctrl-C; 0."""
    explorer = _server().Explorer(State.named(values), port)
    with contextlib.suppress(KeyboardInterrupt):
        print(f"{explorer.url}\nCtrl-C, or closing the page, ends it", flush=True)
        if browser:
            explorer.open_soon(webbrowser.open)
        sys.setswitchinterval(SWITCH)
        explorer.run()
    return 0


def explore(**controls):
    """The page of `gradlab explore`: in a notebook inline, else in the browser.

    controls   where they stand first, by name, such as spectral_radius=1.2, cell="lstm"

    Returns a `Shown`: its `url`, and `stop()`. In a script it ends with the script: call `wait()`.
    Raises UserError, one line, for a control that is none, a value that is none, and where Bokeh is
    not installed.

        gradlab.explore(cell="lstm", forget_bias=2.0)
    """
    shown = Shown(_server().in_background(State.named(controls)))
    if not _is_notebook():
        webbrowser.open(shown.url)
    return shown


class Shown:
    """A page that is served in the background; a notebook shows it in its cell."""

    def __init__(self, explorer):
        self._explorer = explorer
        self.url = explorer.url

    def __repr__(self):
        return f"gradlab.explore() at {self.url}"

    def _repr_html_(self):
        address = html.escape(self.url, quote=True)
        return (
            f'<iframe src="{address}" title="gradlab explore" style="width: 100%; height: 900px; '
            'border: 0" allow="clipboard-write"></iframe>'
        )

    def stop(self):
        """End it."""
        self._explorer.stop()

    def wait(self):
        """Until the last tab closes, or Ctrl-C."""
        self._explorer.wait()


def _server():
    try:
        from gradlab.explorer import server
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("bokeh"):
            raise
        raise UserError(INSTALL) from None
    return server


def _is_notebook():
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
