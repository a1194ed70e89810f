"""Networks, their states and gradients are copied and pickled: a cell goes by its name."""

import copy
import pickle

import numpy as np
import pytest
from networks import CELLS, batch, network

from gradlab.nets import registry
from gradlab.nets.untied import Untied

SIZE = {"steps": 5, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 3, "seed": 8}
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda one, n=n: pickle.loads(pickle.dumps(one, n)) for n in (2, 5)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", [*CELLS, "stack"])
def test_copies_compute_the_same(cell, way):
    options = {"layers": 2, "bidirectional": True} if cell == "stack" else {"cell": cell}
    net = network(SIZE, **options)
    x, y, _, lengths = batch(SIZE)
    found = net.gradients(x, y, lengths=lengths)
    other, got = WAYS[way](net), WAYS[way](found)
    again = other.gradients(x, y, lengths=lengths)
    for result in (got, again):
        assert result.loss == found.loss
        for name, array in found.weights.items():
            np.testing.assert_array_equal(result.weights[name], array)
        np.testing.assert_array_equal(result.states, found.states)
        np.testing.assert_array_equal(result.terms, found.terms)
        assert result.status.tolist() == found.status.tolist()
    if way != "copy":
        other.weights["W"][:] = 0
        assert net.weights["W"].any() and found.weights["W"].any()
    states = WAYS[way](net.forward(x))
    np.testing.assert_array_equal(states.outputs, net.forward(x).outputs)


@pytest.mark.parametrize("way", WAYS)
def test_an_untied_cell_is_copied(way):
    elman = registry.find("elman")
    other = WAYS[way](Untied(elman, 3))
    assert other.cell is elman and other.steps == 3 and other.state_parts == ("h",)
    assert other.shapes is elman.shapes
