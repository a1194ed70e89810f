"""A guided tour in six steps, after the lectures; each sets the controls."""

from typing import NamedTuple

from bokeh.models.widgets import Button, Div

from gradlab.explorer.fields import SHEET
from gradlab.explorer.state import State


class Stop(NamedTuple):
    """What is said, and where the controls stand."""

    title: str
    text: str
    controls: dict

    @property
    def state(self) -> State:
        """Made when it is gone to: a cell's loops take their time to load."""
        return State(**self.controls)


STOPS = (
    Stop(
        "A recurrent network is a dynamical system",
        "Without input, bias and activation h_t = W h_{t-1}: the same matrix again and again. The "
        "radius is 0.9, and the states fade. Move the radius above 1.",
        dict(activation="identity", init="symmetric", spectral_radius=0.9, input_scale=0.0,
              sequence_length=60),
    ),
    Stop(
        "The largest eigenvalue alone remains",
        "W^t h_0 = sum of alpha_i lambda_i^t w_i. With radius 1.1 one eigenvalue lies outside the "
        "circle: after some steps only its direction is left, and it grows.",
        dict(activation="identity", init="symmetric", spectral_radius=1.1, input_scale=0.0,
              sequence_length=60),
    ),
    Stop(
        "Backpropagation through time: the gradient vanishes",
        "dL/dW is a sum over all steps, and its early terms pass through W^T and f' at each step "
        "on their way back. tanh' is at most 1: with radius 0.8 the edges of the unrolled network "
        "thin out, and nothing old is felt.",
        dict(spectral_radius=0.8),
    ),
    Stop(
        "Above the edge it explodes",
        "At radius 1.6 the same gradient grows on its way back. The input flattens tanh and moves "
        "the edge: make the input scale larger and watch the line fall.",
        dict(spectral_radius=1.6, input_scale=0.1),
    ),
    Stop(
        "Clipping bounds the step",
        "Over the seeds the norm of an exploding gradient spreads over decades. The threshold cuts "
        "the step and keeps its direction; a gradient that has vanished stays as small as it is.",
        dict(spectral_radius=1.8, input_scale=0.1, clip_threshold=1.0, seeds=64),
    ),
    Stop(
        "The LSTM's forget gate keeps the way open",
        "c_t = f c_{t-1} + i g: where f is near 1 the gradient of c passes unchanged. Move the "
        "forget bias from 0 to 4 and see how far back it is felt.",
        dict(cell="lstm", spectral_radius=0.8, forget_bias=3.0),
    ),
)  # fmt: skip


class Guide:
    """Text, and a button each for the next and the last stop; `go_to(state)` moves the controls."""

    def __init__(self, go_to):
        self._go_to, self._at = go_to, -1
        self.text = Div(text="", name="tour_text", sizing_mode="stretch_width")
        self.next = Button(label="Start the tour", name="tour_next", stylesheets=[SHEET])
        self.back = Button(label="Back", name="tour_back", disabled=True, stylesheets=[SHEET])
        self.next.on_click(lambda: self._move(1))
        self.back.on_click(lambda: self._move(-1))
        self.roots = [self.text, self.next, self.back]

    def _move(self, by):
        self._at += by
        if self._at >= len(STOPS):
            self._at = -1
        self.back.disabled = self._at < 1
        if self._at < 0:
            self.text.text, self.next.label = "", "Start the tour"
            return
        stop = STOPS[self._at]
        self.text.text = f"<b>{self._at + 1} of {len(STOPS)}: {stop.title}.</b> {stop.text}"
        self.next.label = "End the tour" if self._at == len(STOPS) - 1 else "Next"
        self._go_to(stop.state)
