"""The controls as widgets: a slider and a field for each number, a list for each choice."""

import math
from html import escape

from bokeh.layouts import column, row
from bokeh.models.widgets import Div, Select, Slider, TextInput

from gradlab.explorer.state import CONTROLS, State, cell

SHEET = """
:host { color: var(--ink); --bk-font-size: 13px; }
.bk-input { background: var(--paper); color: var(--ink); border-color: var(--rule); }
.bk-input:focus-visible { outline: 2px solid var(--accent); }
.noUi-handle:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.bk-input:disabled { background: var(--ground); color: var(--quiet); opacity: 0.6; }
.bk-btn:disabled, .bk-btn[disabled] { background: var(--ground); color: var(--quiet); }
.bk-input-group label, label { white-space: normal; }
.noUi-target { background: var(--rule); border-color: var(--rule); }
.bk-btn { background: var(--paper); color: var(--ink); border-color: var(--rule); }
.bk-btn.bk-active { background: var(--accent); color: #ffffff; }
.bk-btn:focus-visible { outline: 2px solid var(--accent); }
"""  # of the page's own colours, dark ones too


class Field:
    """One control: `set(state)` shows its value, `told(value)` is called where a user gives one."""

    def __init__(self, control, state, told):
        self.control, self._told = control, told
        self._shown, self.is_refused = None, False
        self.error = Div(
            text="", visible=False, sizing_mode="stretch_width", styles={"color": "var(--warm)"}
        )
        self.slider = self.text = self.choice = None
        if control.kind == "choice":
            self.choice = Select(
                title=control.label, options=list(control.values), stylesheets=[SHEET],
                sizing_mode="stretch_width", name=control.name,
            )  # fmt: skip
            parts = [self.choice]
            self.choice.on_change("value", self._from("choice"))
        else:
            self.text = TextInput(
                title="" if control.kind != "text" else control.label, stylesheets=[SHEET],
                name=f"{control.name}_text", **self._size(),
            )  # fmt: skip
            self.text.on_change("value", self._from("text"))
            parts = [self.text]
            if control.kind != "text":
                self.slider = self._slider()
                self.slider.on_change("value", self._from("slider"))
                parts = [row(self.slider, self.text, sizing_mode="stretch_width")]
        self.root = column(*parts, self.error, sizing_mode="stretch_width", spacing=0)
        self.root.name = f"control_{control.name}"
        self._show(state)

    def set(self, state: State):
        """Show the state's value; grey where it does nothing for this state."""
        self._enable(state)
        self._show(state)

    def _show(self, state):
        value = getattr(state, self.control.name)
        if value == self._shown and not self.is_refused:
            return
        self._shown = value
        self._clear()
        if self.choice is not None:
            self.choice.value = value
            return
        self.text.value = written(value)
        if self.slider is not None:
            self.slider.value = self._place(value)

    def _enable(self, state):
        disabled = not applies(self.control.name, state)
        for widget in (self.choice, self.text, self.slider):
            if widget is not None and widget.disabled != disabled:
                widget.disabled = disabled

    def refuse(self, error):
        """One line beside the field, which keeps what was typed."""
        self.error.text = escape(str(error), quote=False)
        self.error.visible = self.is_refused = True

    def _clear(self):
        if self.is_refused:
            self.error.visible = self.is_refused = False
            self.error.text = ""

    def _from(self, which):
        def change(attr, old, new):
            if which == "slider":
                new = self._value(new)
            same = new == self._shown
            if which == "text":
                same = new == (
                    self._shown if isinstance(self._shown, str) else written(self._shown)
                )
            if same:
                self._clear()
            elif which != "slider" or self._place(self._shown) != self.slider.value:
                self._told(self.control.name, new)

        return change

    def _size(self):
        if self.control.kind == "text":
            return {"sizing_mode": "stretch_width"}
        return {"width": 76, "styles": {"align-self": "flex-end"}}

    def _slider(self):
        control, marks = self.control, len(self.control.values)
        low, high, step = (0, marks - 1, 1) if marks else (control.low, control.high, control.step)
        return Slider(
            start=low, end=high, step=step, value=low, title=control.label, show_value=False,
            tooltips=False, sizing_mode="stretch_width", stylesheets=[SHEET], name=control.name,
        )  # fmt: skip

    def _place(self, value):
        """Where the slider stands for a value: at the end if it is beyond."""
        marks = self.control.values
        if not marks:
            return min(max(value, self.control.low), self.control.high)
        return min(range(len(marks)), key=lambda i: _far(marks[i], value))

    def _value(self, place):
        return self.control.values[round(place)] if self.control.values else place


def fields(state, told):
    """{name: Field} of all controls."""
    return {name: Field(control, state, told) for name, control in CONTROLS.items()}


def applies(name, state):
    """Whether a control does anything for this state."""
    if name == "forget_bias":
        return cell(state.cell).forget is not None
    if name == "init":
        return not cell(state.cell).reads_out
    if name == "activation":
        return len(cell(state.cell).activations) > 1
    return name not in ("file", "column") or state.task == "series"


def written(value):
    """A value as it stands in a field."""
    if isinstance(value, str | int):
        return str(value)
    return "none" if value == math.inf else f"{value:.6g}"


def _far(mark, value):
    if math.isinf(mark) or math.isinf(value):
        return 0.0 if mark == value else math.inf
    return abs(math.log(mark) - math.log(value))
