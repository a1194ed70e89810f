"""Derivatives of a graph of operations by both orders, exactly, and its multiplications."""

from fractions import Fraction

import numpy as np
import pytest
from reference import ACTIVATIONS

from gradlab.measures.graphs import Graph, network, rnn

X, Y = Fraction(3, 4), Fraction(-5, 2)


def polynomial():
    """z = (x y + 1/2) x + y: x and y used twice. Dyadic numbers are exact in floats."""
    graph = Graph()
    x, y = graph.put(X), graph.put(Y)
    product = graph.dot([x], [y], 0.5)
    z = graph.total([graph.dot([product], [x]), y])
    return graph, x, y, z


def test_both_orders_give_the_exact_derivatives():
    graph, x, y, z = polynomial()
    dx, dy = 2 * X * Y + Fraction(1, 2), X**2 + 1
    adjoint, _ = graph.reverse(z)
    assert graph.values[z] == (X * Y + Fraction(1, 2)) * X + Y
    assert (adjoint[x], adjoint[y]) == (dx, dy)
    assert (graph.forward(x)[0][z], graph.forward(y)[0][z]) == (dx, dy)


def test_a_number_that_is_both_factors_has_both_slopes():
    graph = Graph()
    x = graph.put(X)
    square = graph.dot([x], [x])
    assert graph.reverse(square)[0][x] == graph.forward(x)[0][square] == 2 * X


def test_a_sweep_takes_a_multiplication_an_edge():
    graph, x, _, z = polynomial()
    assert (graph.reverse(z)[1], graph.forward(x)[1]) == (6, 6)


@pytest.mark.parametrize("size", [1, 3])
def test_the_unrolled_network_has_the_gradient_of_the_obvious_one(size):
    """By a complex step in each entry of W."""
    graph = Graph()
    _, places, (loss,) = rnn(graph, size)
    weights, x = network(size)
    answers = []
    for entry in range(size * size):
        W = weights["W"].astype(complex)
        W.flat[entry] += 1e-30j
        h = np.full(size, 0.5)
        for x_t in x[:, 0]:
            h = ACTIVATIONS["tanh"][0](W @ h + weights["U"] @ x_t)
        answers.append((h.sum() ** 2).imag / 1e-30)
    adjoint, _ = graph.reverse(loss)
    np.testing.assert_allclose([adjoint[place] for place in places], answers, rtol=1e-12)
