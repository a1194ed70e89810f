"""What is on the page as text: an experiment's file that sweeps it, and a link to it."""

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets import Button

from gradlab.explorer.fields import SHEET
from gradlab.explorer.state import State

COPY = """
const text = source.data.kind[0] == 'link'
    ? location.origin + location.pathname + '?' + source.data.text[0] : source.data.text[0];
const place = document.getElementById('copied');
place.hidden = false;
place.querySelector('pre').textContent = text;
navigator.clipboard.writeText(text).then(
    () => { place.querySelector('p').textContent = 'Copied.'; },
    () => { place.querySelector('p').textContent = 'Select and copy:'; });
"""
FILE = '''"""How does the gradient depend on the radius, for this network?

Copied from `gradlab explore`. Save it as experiments/NAME.py, then `gradlab run NAME`, or run the
file itself: `gradlab run FILE`.
"""

from gradlab.cli import script
from gradlab.plots import Panel, medians, page
from gradlab.suite import Experiment

figure = page(
    "The gradient over the spectral radius",
    "{{network}}, task {{task}}, {{hidden_size}} units, T = {{sequence_length}}; {{seeds}}",
    [
        [
            Panel(
                "the gradient after T steps back",
                medians(
                    "spectral_radius", "log10_gradient_ratio", decades=True,
                    xlabel="spectral radius of W", ylabel="||dL/dh_0|| / ||dL/dh_T||",
                ),
            ),
            Panel(
                "norm of all weights' gradients",
                medians(
                    "spectral_radius", "log10_norm_all", decades=True,
                    xlabel="spectral radius of W", ylabel="norm",
                ),
            ),
        ]
    ],
    size=(13, 5.5),
)
experiment = Experiment(
    question="How does the gradient depend on the radius, for this network?",
    grid={{
        "spectral_radius": {radii},
        "sequence_length": [{state.sequence_length}],
        "input_scale": [{state.input_scale!r}],
        "seed": range({state.seed}, {last}),
    }},
    split=["seed"],
    constants={{
        "cell": "{state.cell}",
        "activation": "{state.activation}",
        "init": "{state.init}",
        "hidden_size": {state.hidden_size},
        "forget_bias": {state.forget_bias!r},
        "task": {state.task!r},
        "file": {file!r},
        "column": {column!r},
    }},
    quick={{"seed": range({state.seed}, {state.seed} + 2)}},
    measure="gradlab.measures.last_step:measure",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
'''


def experiment(state: State) -> str:
    """The file of an experiment that sweeps the radius around a state's, over its seeds."""
    middle = state.spectral_radius
    others = {round(max(0.0, middle + 0.1 * k), 4) for k in range(-8, 9) if k}
    radii = sorted({middle, *others})
    return FILE.format(
        state=state, radii=radii, last=state.seed + state.seeds,
        file=state.options["file"], column=state.options["column"],
    )  # fmt: skip


class Copies:
    """Two buttons; what they copy is made when they are pressed."""

    def __init__(self, state):
        self._state = state
        self.source = ColumnDataSource({"kind": [], "text": []}, name="copies")
        self.source.js_on_change("data", CustomJS(args={"source": self.source}, code=COPY))
        link = Button(label="Copy link", name="copy_link", stylesheets=[SHEET])
        file = Button(label="Copy as experiment", name="copy_experiment", stylesheets=[SHEET])
        link.on_click(lambda: self._show("link", self._state().query()))
        file.on_click(lambda: self._show("file", experiment(self._state())))
        self.roots = [link, file]

    def _show(self, kind, text):
        self.source.data = {"kind": [kind], "text": [text]}
