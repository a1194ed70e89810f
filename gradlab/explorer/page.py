"""One page: widgets, views, and the loop between them.

A control moves, the state changes, and the newest state is computed as soon as the last picture
has been painted: none queue. What is slow (many networks, the map) waits until the controls rest,
and is computed beside. What is hidden is not computed.
"""

import contextlib
import logging
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
from bokeh.events import DocumentReady
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets import Button, CheckboxGroup, Div, RadioButtonGroup

from gradlab.errors import UserError, placed
from gradlab.explorer import copied, tour, views
from gradlab.explorer.fields import SHEET, fields
from gradlab.explorer.sentence import sentence
from gradlab.explorer.state import CONTROLS, State
from gradlab.threads import one_blas_thread

REST = 250  # milliseconds without a move, after which what is slow is computed
SLICE = 0.05  # seconds of a training between two pictures
UNPAINTED = 1000  # milliseconds after which a picture counts as painted: a tab in the background
TABS = ("gradient", "training")
COMPILING = "Loading; a cell's first time on this machine is compiled: 10 to 40 s ..."
MOVED = "The controls have moved since this training began: Reset trains what they say now."
TEMPLATE = Path(__file__).with_name("page.html")
# One message a picture, all its numbers in one buffer, floats first: a property set from here would
# be a message, and an array two more. sync: what is set there is not told back.
PAINTED = """
const number = frame.data.number[0], picture = frame.data.picture[0];
if (picture) {
    const [packed, floats, updates] = picture;
    const unpacked = (value) => {
        if (!Array.isArray(value) || value[0] !== 'packed') { return value; }
        const [, kind, start, count, columns] = value;
        if (kind == 'u') {
            const first = packed.byteOffset + 4 * floats + start;
            const part = new Uint8Array(packed.buffer, first, count);
            return columns ? [new packed.constructor(part, [count / columns, columns])] : part;
        }
        return new Float32Array(packed.buffer, packed.byteOffset + 4 * start, count);
    };
    for (const [which, names, values] of updates) {
        const changed = {};
        names.forEach((name, i) => { changed[name] = unpacked(values[i]); });
        const model = models[which];
        model.setv(model.data !== undefined ? {data: changed} : changed, {sync: false});
    }
}
let told = false;
const tell = () => { if (!told) { told = true; painted.data = {number: [number]}; } };
window.gradlabFrame = number;
requestAnimationFrame(() => setTimeout(tell, 0));
setTimeout(tell, 300);
"""


KINDS = {"f": np.float32, "u": np.uint8}  # of arrays that are drawn, as they cross


class Pack:
    """Arrays one after the other in a buffer, floats and then bytes, and where each stands."""

    def __init__(self):
        self.updates = []
        self._parts, self._ends = {"f": [], "u": []}, {"f": 0, "u": 0}

    def of(self, value):
        """A value; of an array, or of a list of one image, where it stands."""
        columns = 0
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], np.ndarray):
            value, columns = value[0].ravel(), value[0].shape[1]
        if not isinstance(value, np.ndarray):
            return value
        kind = value.dtype.kind
        start = self._ends[kind]
        self._parts[kind].append(np.ascontiguousarray(value, KINDS[kind]))
        self._ends[kind] += value.size
        return ["packed", kind, start, value.size, columns]

    def message(self):
        """[the buffer, how many floats it has, updates]."""
        parts = [part.view(np.uint8) for kind in KINDS for part in self._parts[kind]]
        packed = np.concatenate([np.empty(0, np.uint8), *parts])
        return [packed, self._ends["f"], self.updates]


class Page:
    """The page of one tab of a browser, in a Bokeh document."""

    def __init__(self, doc, state: State, problem: str = ""):
        self.doc, self.state = doc, state
        self.fields = fields(state, self.tell)
        modules = views.every()
        self.views = {name: module.View() for name, module in modules.items()}
        self.needs = {name: module.NEEDS for name, module in modules.items()}
        self.words = ColumnDataSource({"text": [COMPILING]}, name="words")
        self.errors = {name: self._line(f"error_{name}") for name in self.views}
        self.frame = ColumnDataSource({"number": [0], "picture": [None]}, name="frame")
        self._targets = [model for view in self.views.values() for model in _models(view)]
        self._targets.append(self.words)
        self._said = COMPILING
        self._places = {model.id: place for place, model in enumerate(self._targets)}
        self._updates: list = []  # (model, {property: value}) since the last picture
        self._results: dict = {}  # need -> the last result
        self._drawn: dict = {}  # view -> the result that it shows
        self.painted = ColumnDataSource({"number": [0]}, name="painted")
        self.seen = ColumnDataSource({"names": list(self.views)}, name="seen")
        self.tab = RadioButtonGroup(labels=["Gradient", "Training"], active=0, name="tab")
        self.shown = CheckboxGroup(
            labels=[modules[name].TITLE for name in views.ORDER],
            active=list(range(len(views.ORDER))), name="shown", stylesheets=[SHEET],
        )  # fmt: skip
        self.tour = tour.Guide(self.go_to)
        self.copies = copied.Copies(lambda: self.state)
        self.buttons = {
            label: Button(label=label, name=f"button_{label.lower()}", stylesheets=[SHEET])
            for label in ("Start", "Step", "Reset")
        }
        self.lesson, self.is_training, self._is_open = None, False, True
        self._is_ready = False
        self._asked = ""  # a lesson's method that a button wants next
        self._done: dict = {}  # need -> the state whose result is drawn
        self._busy, self._slow, self._rest, self._awaited = False, False, None, math.inf
        self._fast_worker, self._slow_worker = (ThreadPoolExecutor(1) for _ in range(2))
        self._put_up()
        doc.template_variables["problem"] = problem
        doc.on_event(DocumentReady, lambda _: self._begin())  # the page is there: now compute

    def _line(self, name):
        return Div(text="", name=name, sizing_mode="stretch_width", styles={"color": "var(--warm)"})

    def _put_up(self):
        self.frame.js_on_change("data", CustomJS(
            args={"frame": self.frame, "painted": self.painted, "models": self._targets},
            code=PAINTED,
        ))  # fmt: skip
        self.painted.on_change(
            "data", lambda attr, old, new: self._was_painted(self.painted.data["number"][0])
        )
        self.seen.on_change("data", lambda attr, old, new: self._came_into_view())
        self.tab.stylesheets = [SHEET]
        self.tab.on_change("active", lambda attr, old, new: self._wake())
        self.tab.js_on_change("active", CustomJS(
            code="document.body.dataset.tab = ['gradient', 'training'][cb_obj.active]"
        ))  # fmt: skip
        self.shown.on_change("active", lambda attr, old, new: self._wake())
        self.shown.js_on_change("active", CustomJS(args={"names": list(views.ORDER)}, code="""
            names.forEach((name, i) => {
                document.getElementById('card_' + name).hidden = !cb_obj.active.includes(i);
            })"""))  # fmt: skip
        self.views["regimes"].on_tap(self._tapped)
        first = self.views[views.ORDER[0]].figure  # laid out: the page has all
        first.on_change("inner_width", lambda attr, old, new: self._make_ready())
        for label, button in self.buttons.items():
            button.on_click(getattr(self, f"_{label.lower()}"))
        roots = [field.root for field in self.fields.values()]
        roots += [view.figure for view in self.views.values()]
        roots += [*self.errors.values(), self.tab, self.shown]
        roots += [*self.buttons.values(), *self.tour.roots, *self.copies.roots]
        for name, view in self.views.items():
            view.figure.name = f"view_{name}"
        said = "document.getElementById('sentence').textContent = cb_obj.data.text[0]"
        self.words.js_on_change("data", CustomJS(code=said))
        self._carry(self.frame, self.painted, self.seen, self.words, self.copies.source)
        with self.doc.models.freeze():  # else each looks at all that came before: 0.3 s
            for root in roots:
                self.doc.add_root(root)
        self.doc.template_variables["sentence"] = self._said
        self.doc.title = "gradlab explore"
        self.doc.template = TEMPLATE.read_text()
        self.doc.template_variables["cards"] = views.every()
        self.doc.template_variables["order"] = views.ORDER
        self.doc.template_variables["training"] = views.TRAINING
        self.doc.template_variables["controls"] = list(self.fields)
        self.doc.on_session_destroyed(lambda _: self.close())

    def _carry(self, *sources):
        """Take along what is no root, for a root has a place on the page: by a root's callback."""
        carried = {f"source{i}": source for i, source in enumerate(sources)}
        self.tab.js_on_change("name", CustomJS(args=carried, code=""))

    def close(self):
        """The tab is gone: nothing of it goes on."""
        self.is_training = self._is_open = False
        for worker in (self._fast_worker, self._slow_worker):
            worker.shutdown(wait=False, cancel_futures=True)

    def _make_ready(self):
        """Load the engine and what is compiled of it, for a second, while the page is laid out."""
        if not self._is_ready:
            self._is_ready = True
            self._fast_worker.submit(_alone, partial(_found, "look", self.state))

    def _begin(self):
        """The first picture; beside it the map of the committed table, until there is an own."""
        self._wake()
        self._settle()
        future = self._slow_worker.submit(_found, "committed")
        future.add_done_callback(lambda done: self._later(lambda: self._known(done.result())))

    def _known(self, committed):
        if committed is not None and "regimes" not in self._results:
            self._draw("regimes", committed.regimes)
            self._say(self.errors["regimes"], committed.words)
            self._show_frame(waits=False)

    def tell(self, name, value):
        """A user gives a control a value; a wrong one gets a line beside it."""
        try:
            state = self.state.changed(**{name: value})
        except UserError as error:
            self.fields[name].refuse(error)
            return
        decides = CONTROLS[name].kind == "choice"  # it may make others idle
        refused = [other for other, field in self.fields.items() if field.is_refused]
        self.go_to(state, None if decides else {name, *refused})

    def go_to(self, state: State, moved: Iterable[str] | None = None):
        """The controls at once, or those that moved; they are set while the picture is computed."""
        self.state = state
        self._wake()
        self._settle(moved)

    def _settle(self, moved=None):
        for name in self.fields if moved is None else moved:
            self.fields[name].set(self.state)
        self._updates.append(self.views["regimes"].go_to(self.state))
        self._say_moved()

    def _say_moved(self):
        """A training goes on as it began, whatever the controls say by now; it may have ended."""
        said = self.lesson.ending if self.lesson else ""
        self._say(self.errors["loss"], MOVED if self._has_moved() else said)

    def _has_moved(self):
        began = self.lesson and self._followed("training", self.lesson.state)
        return bool(began) and began != self._followed("training", self.state)

    def _tapped(self, radius, length):
        there = {"spectral_radius": max(0.0, round(radius, 2)), "sequence_length": length}
        try:
            state = self.state.changed(**there)
        except UserError as error:  # so far out, or so long, that it would freeze the page
            self._say(self.errors["regimes"], str(error))
            return
        self.go_to(state)

    def _is_seen(self, name):
        """Whether a view is in the window: by the tab, the list of views, and scrolling."""
        if name not in self.seen.data["names"]:
            return False
        if name in views.TRAINING:
            return self.tab.active == 1
        return self.tab.active == 0 and views.ORDER.index(name) in self.shown.active

    def _visible(self, need):
        if need == "look":  # the sentence is always there
            return True
        if need == "training":
            return self.tab.active == 1
        return any(self._is_seen(name) for name in self.views if self.needs[name] == need)

    def _came_into_view(self):
        self._draw_seen()
        if self._updates:
            self._show_frame(waits=False)
        self._wake()

    def _wake(self):
        """Compute what is seen and not up to date: the newest state, one at a time."""
        self._start_slow()
        if self._busy:
            return
        for need in ("look", "surface"):
            if self._visible(need) and self._done.get(need) != self.state:
                self._busy = True
                self._compute(self._fast_worker, need)
                return
        if self._asked and self._has_lesson():
            job, self._asked = getattr(self.lesson, self._asked), ""
            self._busy = True
            self._submit(self._fast_worker, "training", job, self.state)
        elif self.is_training and self._visible("training"):
            self._busy = True
            self._submit(self._fast_worker, "training", partial(self.lesson.run, SLICE), self.state)

    def _start_slow(self):
        """When the controls have rested for a while, and the last slow job is done."""
        wanted = [n for n in ("spread", "regimes") if self._visible(n)]
        if not any(self._stale(need) for need in wanted):
            return
        if self._rest is not None:
            self.doc.remove_timeout_callback(self._rest)
        self._rest = self.doc.add_timeout_callback(self._rested, REST)

    def _rested(self):
        self._rest = None
        for need in ("spread", "regimes"):
            if not self._slow and self._visible(need) and self._stale(need):
                self._slow = True
                self._compute(self._slow_worker, need)
                return

    def _stale(self, need):
        """Whether what `need` draws would change: the map does not follow its own mark."""
        return self._done.get(need) != self._followed(need, self.state)

    def _followed(self, need, state):
        if need == "regimes":
            state = state.changed(spectral_radius=1, sequence_length=100, clip_threshold=1)
        if need in ("regimes", "training"):
            state = state.changed(seeds=32)
        if need in ("regimes", "spread"):
            state = state.changed(learning_rate=1)
        return state

    def _compute(self, worker, need):
        self._submit(worker, need, partial(_found, need, self.state), self.state)

    def _submit(self, worker, need, job, state):
        future = worker.submit(_alone, job)
        future.add_done_callback(
            lambda done: self._later(partial(self._computed, need, state, done))
        )

    def _later(self, call):
        """Call from a worker's thread in the page's own; a page that is gone takes no more."""
        with contextlib.suppress(AttributeError):  # a document is taken apart before `close`
            if self._is_open:
                self.doc.add_next_tick_callback(call)

    def _computed(self, need, state, future):
        is_slow = need in ("spread", "regimes")
        if future.cancelled():
            return
        self._done[need] = self._followed(need, state)
        error = future.exception()
        if error is not None:
            self._failed(need, error)
        else:
            self._draw(need, future.result())
        if is_slow:
            self._slow = False
        self._show_frame(waits=not is_slow)
        self._wake()

    def _draw(self, need, result):
        if need == "look":
            self._tell_all(sentence(result))
        if need == "training" and self.lesson is not None and self.lesson.is_over:
            self._pause()
        self._results[need] = result
        self._draw_seen()
        self._say_moved()

    def _draw_seen(self):
        """What is seen and does not show the last result of its kind yet."""
        for name, view in self.views.items():
            result = self._results.get(self.needs[name])
            if result is None or self._drawn.get(name) is result or not self._is_seen(name):
                continue
            self._drawn[name] = result
            try:
                self._updates += view.draw(result)
                self._say(self.errors[name], "")
            except Exception as error:
                logging.getLogger(__name__).exception("view %s", name)
                self._say(self.errors[name], f"this view failed: {placed(error)}")

    def _failed(self, need, error):
        said = str(error) if isinstance(error, UserError) else placed(error)
        if need == "look":
            self._tell_all(said)
        if need == "training":
            self._pause()
        for name in self.views:
            if self.needs[name] == need:
                self._say(self.errors[name], said)

    def _tell_all(self, text):
        if self._said != text:
            self._said = text
            self._updates.append((self.words, {"data": {"text": [text]}}))

    def _say(self, line, text):
        text = escape(text, quote=False)
        if line.text != text:
            line.text = text

    def _show_frame(self, waits):
        """A picture and its number: the page answers with it when it has painted it."""
        number = self.frame.data["number"][0] + 1
        self.frame.data = {"number": [number], "picture": [self._packed()]}
        if waits:
            self._awaited = number
            self.doc.add_timeout_callback(partial(self._was_painted, number), UNPAINTED)

    def _packed(self):
        """What becomes of the models since the last picture, as the page reads it."""
        pack = Pack()
        for model, values in self._updates:
            values = values.get("data", values)
            packed = [pack.of(value) for value in values.values()]
            pack.updates.append([self._places[model.id], list(values), packed])
        self._updates = []
        return pack.message()

    def _was_painted(self, number):
        if self._busy and number >= self._awaited:
            self._busy, self._awaited = False, math.inf
            self._wake()

    def _start(self):
        if self.is_training:
            self._pause()
            return
        if self._has_lesson():
            self.is_training = True
            self.buttons["Start"].label = "Pause"
            self._wake()

    def _pause(self):
        self.is_training = False
        self.buttons["Start"].label = "Start"

    def _step(self):
        self._pause()
        self._asked = "step"
        self._wake()

    def _reset(self):
        self._pause()
        self.lesson, self._asked = None, "progress"
        self._wake()

    def _has_lesson(self):
        """A training of what the controls say, made anew where they have moved since."""
        if self.lesson is None or self._has_moved():
            from gradlab.explorer.lesson import Lesson

            try:
                self.lesson = Lesson(self.state)
            except UserError as error:
                self._asked = ""
                self._failed("training", error)
                return False
        return True


def _models(view):
    """All of a view's figure that `draw` may change."""
    return list(view.figure.references())


def _found(what, *arguments):
    """What `compute` finds. It loads the engine, in a worker, while the page is on its way."""
    from gradlab.explorer import compute

    return getattr(compute, what)(*arguments)


def _alone(job):
    """The job, with BLAS on one thread: its own would wait for each other."""
    with one_blas_thread():
        return job()
