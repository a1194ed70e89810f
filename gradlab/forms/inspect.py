"""Where does the gradient of a model vanish or explode?

What `gradlab inspect MODEL --results DIR` writes: a row a lag of each layer and direction.
"""

from gradlab.errors import UserError
from gradlab.plots import inspected
from gradlab.suite.form import Form


def measure(_block):
    """Never runs: raises UserError, which says what measures a model."""
    raise UserError("a model's table is made by `gradlab inspect MODEL --results DIR`")


experiment = Form(
    question="Where does the gradient of a model vanish or explode?",
    grid={"layer": [0], "direction": ["forward"], "lag": [0]},
    split=["layer", "direction"],
    measure=measure,
    figure=inspected.figure,
)
