"""The page's server: on this machine alone, at an address that cannot be guessed."""

import errno
import secrets
import socket
import threading
from functools import partial
from typing import Any, cast

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.events import DocumentReady
from bokeh.server.server import Server
from bokeh.settings import settings

from gradlab.errors import UserError
from gradlab.explorer.page import Page
from gradlab.explorer.state import State

HOST, PORT, TRIED, HIGHEST = "127.0.0.1", 5007, 50, 65_535
LOADED = ["bokeh", "bokeh-widgets"]  # of BokehJS: the rest, 2.3 MB, draws nothing here
GRACE = 3000  # milliseconds after the last tab has closed: it may only be a reload


class Explorer:
    """A server of the page; `url` is its address.

    state    where the controls stand first; a link says it for itself
    port     the first port that is tried; a busy one takes the next

    Raises UserError where no port is free.
    """

    def __init__(self, state=None, port=PORT):
        self._state = state or State()
        self._tabs: set = set()  # ids of the sessions whose page is there
        self._had_tabs, self._closing, self._until_closed = False, None, True
        self._ended = threading.Event()
        self.token = secrets.token_urlsafe(18)
        self.port, self._server = self._bound(port)

    @property
    def url(self) -> str:
        """With the token: who has it can move the controls."""
        query = self._state.query()
        return f"http://{HOST}:{self.port}/{self.token}" + (f"?{query}" if query else "")

    def run(self, until_closed=True):
        """Serve, until Ctrl-C and, if wanted, until the last tab has been closed for a while."""
        self._until_closed = until_closed
        self._ended.clear()
        self._server.start()
        try:
            self._server.io_loop.start()
        finally:
            self._server.stop()
            self._ended.set()

    def wait(self):
        """Until `run`, in another thread, ends: by now with the last tab."""
        self._until_closed = True
        self._server.io_loop.add_callback(self._end_soon)  # they may all be closed by now
        self._ended.wait()

    def open_soon(self, browser):
        """Call browser(url) once `run` serves."""
        self._server.io_loop.add_callback(browser, self.url)

    def stop(self):
        """End `run`, from any thread."""
        self._server.io_loop.add_callback(self._server.io_loop.stop)

    def _bound(self, port):
        if port > HIGHEST:
            raise UserError(f"port={port}: must be a number from 1 to {HIGHEST}")
        last = min(port + TRIED - 1, HIGHEST)
        for number in range(port, last + 1):
            if not _is_free(number):
                continue
            try:
                return number, self._made(number)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise UserError(f"port={port}: no port from {port} to {last} is free")

    def _made(self, port):
        settings.perform_document_validation = False  # 0.4 s a page; tests draw every view
        application = Application(FunctionHandler(self._opened))
        server = Server(
            {f"/{self.token}": application},
            address=HOST,
            port=port,
            allow_websocket_origin=[f"{HOST}:{port}", f"localhost:{port}"],
            use_index=False,  # it would list the token
            redirect_root=False,
            session_token_expiration=86_400,
            unused_session_lifetime_milliseconds=2000,
            check_unused_sessions_milliseconds=1000,
        )
        tornado = cast(Any, server._tornado)
        loaded = tornado.resources().clone(components=LOADED)
        tornado.resources = lambda *_: loaded
        return server

    def _opened(self, doc):
        given = doc.session_context.request.arguments or {}
        state, problem = self._state, ""
        try:
            state = State.named({k: v[0].decode("utf-8", "replace") for k, v in given.items()})
        except UserError as error:
            problem = f"this link: {error}"
        Page(doc, state, problem)
        # No request is a tab yet: a preview of the link runs no script, a browser may be slow.
        doc.on_event(DocumentReady, partial(self._arrived, doc.session_context.id))
        doc.on_session_destroyed(self._left)

    def _arrived(self, tab, _event):
        self._tabs.add(tab)
        self._had_tabs = True
        if self._closing is not None:
            self._server.io_loop.remove_timeout(self._closing)
            self._closing = None

    def _left(self, context):
        self._tabs.discard(context.id)
        self._end_soon()

    def _end_soon(self):
        if self._had_tabs and not self._tabs and self._until_closed and self._closing is None:
            loop = self._server.io_loop
            self._closing = loop.call_later(GRACE / 1000, loop.stop)


def in_background(state=None) -> Explorer:
    """An `Explorer` that serves from a thread of its own until the process ends or `stop`."""
    started, found = threading.Event(), {}

    def serve():
        import asyncio

        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            found["explorer"] = Explorer(state)
        except BaseException as error:
            found["error"] = error
        started.set()
        if "explorer" in found:
            found["explorer"].run(until_closed=False)

    threading.Thread(target=serve, daemon=True, name="gradlab explore").start()
    started.wait()
    if "error" in found:
        raise found["error"]
    return found["explorer"]


def _is_free(port):
    """Whether the port can be bound: where it cannot, Bokeh's server leaves its socket open."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
