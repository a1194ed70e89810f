"""The kernels by themselves: accuracy, range, lanes, and laws with a known answer."""

import math

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import example, given
from hypothesis import strategies as st
from networks import CELLS, network, sizes, start

from gradlab.kernels import blas, elementwise, sums, tiles
from gradlab.kernels import range as ranges
from gradlab.kernels.arrays import Adjoint, Direct
from gradlab.kernels.jit import kernel
from gradlab.nets import bptt, registry, statuses
from gradlab.nets.draws import recurrent

RNG = np.random.default_rng(5)
elman = registry.find("elman")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_is_zero_from_zero_down_and_keeps_nan(dtype):
    rows = np.array([[-2.0, -0.5, -1e-30, 0.0, 1e-30, 0.5, np.nan, -7.0]], dtype)
    elementwise.squash(elementwise.RELU, rows, 7)
    right = np.array([[0, 0, 0, 0, 1e-30, 0.5, np.nan, -7]], dtype)
    np.testing.assert_array_equal(rows, right)


def elman_pass(W, x, h0, *, activation="tanh", gain=None, **others):
    """Forward pass of lanes over x (T, R or 1, D) from h0 (R, N); U and b are 0 if not given."""
    n, lanes = len(W), len(h0)
    weights = {"U": np.zeros((n, x.shape[2])), "b": np.zeros(n), "W": W, **others}
    prepared = elman.prepare(weights, activation, W.dtype)
    gain = np.ones(lanes) if gain is None else gain
    lengths = np.full(lanes, len(x))
    lengths = np.full(lanes, len(x)) if lengths is None else lengths
    return bptt.forward(elman, prepared, gain.astype(W.dtype), x, h0, lengths)


def states_of(run, lengths, head, **options):
    """dL/dh (T+1, L, N) as (array, exponent), and the last adjoint."""
    spans = bptt.slices(np.asarray(lengths), **options)
    *_, (_, adjoint) = bptt.backward(run, spans, head, keep=True)
    return adjoint


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_activations_are_within_4_ulp(name, dtype):
    x = np.concatenate([RNG.standard_normal(500) * s for s in (1e-9, 1e-3, 0.3, 2, 12)])
    x = x.astype(dtype)
    function = getattr(elementwise, f"{name}{'32' if dtype == np.float32 else '64'}")
    mpmath.mp.prec = 200
    exact = [
        mpmath.tanh(mpmath.mpf(float(v))) if name == "tanh" else 1 / (1 + mpmath.exp(-float(v)))
        for v in x
    ]
    off = [
        abs(mpmath.mpf(float(function(v))) - e) / np.spacing(dtype(abs(e)))
        for v, e in zip(x, exact, strict=True)
    ]
    assert max(off) <= 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_keeps_what_is_special(dtype):
    tanh = elementwise.tanh32 if dtype == np.float32 else elementwise.tanh64
    assert np.isnan(tanh(dtype(np.nan)))
    assert tanh(dtype(np.inf)) == 1 and tanh(dtype(-np.inf)) == -1
    assert tanh(dtype(1e30)) == 1
    tiny = np.finfo(dtype).smallest_subnormal
    assert tanh(tiny) == tiny
    assert np.signbit(tanh(dtype(-0.0))) and not np.signbit(tanh(dtype(0.0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_ends_in_0_and_1(dtype):
    """Held at its smallest number instead, a shut gate would pass 2^-1021 a step, and not zero."""
    sigmoid = elementwise.sigmoid32 if dtype == np.float32 else elementwise.sigmoid64
    for large in (800, 1e30, np.inf):
        assert sigmoid(dtype(-large)) == 0 and sigmoid(dtype(large)) == 1
    end = -87 if dtype == np.float32 else -708
    np.testing.assert_allclose(float(sigmoid(dtype(end))), math.exp(end), rtol=1e-6)
    assert np.isnan(sigmoid(dtype(np.nan)))


def test_kernels_are_compiled_in_the_precision_that_they_are_given():
    if not hasattr(elementwise.tanh32, "nopython_signatures"):
        pytest.skip("interpreted: there are no signatures")
    elementwise.tanh32(np.float32(0.1))
    assert {str(s.return_type) for s in elementwise.tanh32.nopython_signatures} == {"float32"}


@given(*(st.integers(1, 7) for _ in range(3)), st.sampled_from([np.float32, np.float64]))
def test_products_equal_numpy(m, k, n, dtype):
    a, b, out = (RNG.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
    for alpha, beta in ((1, 0), (1, 1), (0.5, 2)):
        factors = np.array([alpha, beta], dtype)
        expected = alpha * (a @ b) + beta * out
        got = out.copy()
        _multiply(a, b, got, factors)
        np.testing.assert_allclose(got, expected, rtol=0, atol=50 * np.finfo(dtype).eps)
        got = out.copy()
        _multiply_transposed(np.ascontiguousarray(a.T), b, got, factors)
        np.testing.assert_allclose(got, expected, rtol=0, atol=50 * np.finfo(dtype).eps)


@kernel
def _multiply(a, b, out, factors):
    blas.multiply(a, b, out, factors)


@kernel
def _multiply_transposed(a, b, out, factors):
    blas.multiply_transposed(a, b, out, factors)


def lanes_of(cell, size, gain, columns):
    """A pass of a random network's lanes under x (T, columns, D), the network and its x."""
    net = network(size, cell=cell)
    x = np.random.default_rng(1).standard_normal((size["steps"], columns, size["inputs"]))
    lengths, states = np.full(size["lanes"], size["steps"]), start(net, size)
    return bptt.forward(net.module, net.prepared(), gain, x, states, lengths), net, x


def back(net, gain, x, run, lane):
    """(t, f) of the steps of a lane, last first; f(dL/ds_t) -> dL/ds_{t-1}, the terms of step t."""
    w = {**net.weights, "W": gain * net.weights["W"]}
    slope = reference.ACTIVATIONS[net.activation][1]
    states, kept = reference.states(net, x, run.trace.state[0, lane], w)
    np.testing.assert_allclose(run.trace.state[:, lane], states, atol=1e-12)
    step = reference.CELLS[net.cell].back
    for t in range(len(x), 0, -1):
        yield t, lambda ds, t=t: step(w, x[t - 1], states[t - 1], kept[t - 1], ds, slope)


@pytest.mark.parametrize("cell", CELLS)
@given(sizes, st.sampled_from([1, 0]))
@example(
    {"steps": 8, "lanes": 2, "hidden": 1, "outputs": 4, "inputs": 3, "seed": 3}, 1
)  # below 2^-300
def test_lanes_with_a_gain_are_networks_of_their_own(cell, size, shared):
    lanes, steps = size["lanes"], size["steps"]
    rng = np.random.default_rng(size["seed"] + 3)
    gain = rng.random(lanes)
    run, net, x = lanes_of(cell, size, gain, 1 if shared else lanes)
    head = rng.standard_normal((2 * lanes, run.trace.state.shape[2]))
    lengths = np.repeat([steps, -(-steps // 2)], lanes)
    adjoint = states_of(run, lengths, head)
    states = np.ldexp(adjoint.states, adjoint.exponent[..., None])
    for lane in range(2 * lanes):
        r, ds = lane % lanes, head[lane]
        for t, through in back(net, gain[r], x[:, 0 if shared else r], run, r):
            if t > lengths[lane]:
                continue
            np.testing.assert_allclose(states[t, lane], ds, atol=1e-11)
            ds = through(ds)[0]
        np.testing.assert_allclose(states[0, lane], ds, atol=1e-11)


@pytest.mark.parametrize("cell", CELLS)
def test_lane_sums_are_each_lanes_own_gradient(cell):
    size = {"steps": 30, "lanes": 4, "hidden": 6, "inputs": 2, "outputs": 3, "seed": 1}
    lanes, gain = 4, np.array([1.0, 0.3, 1.2, 0.0])
    run, net, x = lanes_of(cell, size, gain, lanes)
    head, lengths = RNG.standard_normal(run.trace.state.shape[1:]), np.full(lanes, 30)
    sources = net.module.sources(run.trace, x)
    together, apart = bptt.Sums(sources), bptt.LaneSums(sources, 2 * lanes)
    for span, adjoint in bptt.backward(run, bptt.slices(lengths, 7), head):
        together.add(adjoint, span)
    for span, adjoint in bptt.backward(run, bptt.slices(lengths, 7, [15]), head):
        apart.add(adjoint, span, np.arange(lanes) + lanes * (span[1] <= 15))
    for lane in range(lanes):
        ds, early, late = head[lane], {}, {}
        for t, through in back(net, gain[lane], x[:, lane], run, lane):
            ds, terms = through(ds)
            for name, term in terms.items():
                half = early if t <= 15 else late
                half[name] = half.get(name, 0) + term
        for name, own in early.items():
            found = apart.total[name].reshape(2 * lanes, *own.shape)
            np.testing.assert_allclose(found[lane + lanes], own, atol=1e-12)
            np.testing.assert_allclose(found[lane], late[name], atol=1e-12)
    for name, total in together.total.items():
        np.testing.assert_allclose(apart.total[name].sum(0), total[0], atol=1e-12)


# Range


def exact_adjoint(W, gain, states, head):
    """||dL/dh_t|| along the given float64 states in 200-bit arithmetic, t = 0..T."""
    mpmath.mp.prec = 200
    n = len(head)
    WT = [
        [mpmath.mpf(float(W[j, i])) * mpmath.mpf(float(gain)) for j in range(n)] for i in range(n)
    ]
    back = [mpmath.mpf(float(v)) for v in head]
    norms = []
    for h in states[:0:-1]:
        norms.append(mpmath.sqrt(sum(v * v for v in back)))
        delta = [v * (1 - mpmath.mpf(float(s)) ** 2) for v, s in zip(back, h, strict=True)]
        back = [mpmath.fdot(row, delta) for row in WT]
    norms.append(mpmath.sqrt(sum(v * v for v in back)))
    return norms[::-1]


@pytest.mark.parametrize("radius", [0.5, 1.5])
def test_adjoints_out_of_range_agree_with_200_bit_arithmetic(radius):
    steps, n = 5000, 6
    W = recurrent(np.random.default_rng(2), n, spectral_radius=1.0)
    x = 1e-3 * np.random.default_rng(3).standard_normal((steps, 1, 1))
    activation = "tanh" if radius < 1 else "identity"
    if activation == "identity":
        x[:] = 0  # the state stays 0; its adjoint grows by 1.5 a step, to 1e880
    run = elman_pass(W, x, np.zeros((1, n)), U=np.ones((n, 1)), gain=np.array([radius]),
                     activation=activation)  # fmt: skip
    head = np.random.default_rng(4).standard_normal((1, n))
    log2 = bptt.log2_norms(states_of(run, [steps], head))[:, 0]
    exact = exact_adjoint(W, radius, run.trace.state[:, 0], head[0])
    assert abs(log2[0] - log2[-1]) > 1500
    for t in (0, 1, 777, 2500, 4999):
        ratio = mpmath.mpf(2) ** mpmath.mpf(log2[t]) / exact[t]
        # log2 itself is rounded at 1e-16 of up to 5000: 1e-12
        assert abs(ratio - 1) < 1e-12


@pytest.mark.parametrize("cell", CELLS)
def test_adjoints_far_below_float64_keep_their_logarithm(cell):
    size = {"steps": 1500, "lanes": 2, "hidden": 4, "inputs": 1, "outputs": 3, "seed": 1}
    gain = np.array([0.3, 0.5])
    run, net, x = lanes_of(cell, size, gain, 1)
    head = RNG.standard_normal(run.trace.state.shape[1:])
    adjoint = states_of(run, [1500] * 2, head)
    parts = len(net.state_parts)
    log2 = np.array([bptt.log2_norms(adjoint, part) for part in range(parts)])
    assert (log2[:, 0] < -1100).all()
    for lane in range(2):
        ds, level = head[lane], 0.0
        for t, through in back(net, gain[lane], x[:, 0], run, lane):
            norms = np.linalg.norm(ds.reshape(parts, -1), axis=1)
            np.testing.assert_allclose(log2[:, t, lane], np.log2(norms) + level, rtol=1e-11)
            level += np.log2(np.linalg.norm(ds))
            ds = through(ds / np.linalg.norm(ds))[0]


@kernel
def unguarded(weights, state, carry, states):
    """elman.backward with no range to hold and no direct part, gain 1: fills states (T+1, L, N)."""
    delta = np.empty_like(carry)
    for t in range(len(state) - 1, -1, -1):
        for lane in range(len(carry)):
            elementwise.copy(carry[lane], states[t, lane])
        if t > 0:
            elementwise.through_activation(weights.activation, state[t], carry, delta)
            tiles.times(delta, weights.recurrent, carry)


@pytest.mark.parametrize("radius", [0.2, 0.6, 1.0, 1.5])
def test_where_float64_suffices_no_bit_changes(radius):
    steps, n = 1000, 16
    W = recurrent(np.random.default_rng(2), n, spectral_radius=radius)
    x = 0.1 * np.random.default_rng(3).standard_normal((steps, 3, 1))
    run = elman_pass(W, x, np.zeros((3, n)), U=np.ones((n, 1)))
    head = np.random.default_rng(4).standard_normal((3, n))
    plain = np.empty((steps + 1, 3, n))
    unguarded(run.weights, run.trace.state, head.copy(), plain)
    adjoint = states_of(run, [steps] * 3, head)
    guarded = np.ldexp(adjoint.states, adjoint.exponent[..., None])
    # Far from the edge of the range: rows whose every entry is a normal number.
    normal = (np.abs(plain) > 1e-290).all((1, 2))
    assert normal.sum() > 300
    np.testing.assert_array_equal(guarded[normal], plain[normal])
    if radius < 0.5:  # 0.2^1000 is far below float64: zeros there, a finite log here
        assert (plain[0] == 0).all() and np.isfinite(bptt.log2_norms(adjoint)[0]).all()


# Laws


def test_the_linear_cell_is_the_power_of_w():
    n, steps = 7, 12
    W = RNG.standard_normal((n, n))
    h0 = RNG.standard_normal((1, n))
    run = elman_pass(W, np.zeros((steps, 1, 1)), h0, activation="identity")
    power = np.linalg.matrix_power(W, steps)
    scale = np.linalg.norm(power)
    np.testing.assert_allclose(run.trace.state[-1, 0], power @ h0[0], atol=1e-13 * scale)
    adjoint = states_of(run, [steps], h0)
    np.testing.assert_allclose(adjoint.states[0, 0], power.T @ h0[0], atol=1e-13 * scale)


def test_an_orthogonal_linear_cell_keeps_the_norm():
    W = recurrent(np.random.default_rng(0), 32, "orthogonal")
    run = elman_pass(W, np.zeros((1000, 1, 1)), np.ones((1, 32)), activation="identity")
    np.testing.assert_allclose(np.linalg.norm(run.trace.state, axis=-1), 32**0.5, rtol=1e-12)
    log2 = bptt.log2_norms(states_of(run, [1000], np.ones((1, 32))))
    np.testing.assert_allclose(log2, 2.5, atol=1e-12)


# What a table tells apart


def test_statuses_are_told_apart():
    n, steps = 4, 40
    W = np.eye(n)
    x = np.zeros((steps, 4, 1))
    x[5, 3] = np.nan
    gain = np.array([0.0, 1.0, 1e200, 1.0])
    run = elman_pass(W, x, np.ones((4, n)), gain=gain, U=np.ones((n, 1)), activation="identity")
    log2 = bptt.log2_norms(states_of(run, [steps] * 4, np.ones((4, n))))
    bad, kinds = statuses.first_bad_step(run.trace.state, x, np.full(4, steps))
    status = statuses.status_of(bad, kinds, np.isneginf(log2[0]))
    assert status.tolist() == ["zero", "ok", "overflow", "nan"]
    assert bad.tolist() == [0, 0, 2, 6]


def test_a_slice_of_zeros_does_not_fix_the_exponent():
    for total, held in ((np.zeros((3, 3)), 1), (np.ones((3, 3)), 2.0**-900)):
        exponent, factors = np.zeros(1, np.int64), np.empty(2)
        sums.join(900, total, exponent, factors)
        assert exponent[0] == 900 and factors.tolist() == [1, held]


@pytest.mark.parametrize("size", [1e-250, 1e250])
def test_a_direct_part_meets_an_adjoint_of_any_size(size):
    row, direct = np.array([[size, 0.0]]), Direct(np.array([[1.0]]), np.array([[1.0, 2.0]]))
    adjoint = Adjoint(
        delta=np.empty((1, 2)), carry=row, norm2=np.zeros((2, 1, 1)),
        exponent=np.zeros((2, 1), np.int64), states=np.empty((0, 0, 2)),
    )  # fmt: skip
    nothing = Direct(np.empty((0, 1)), np.empty((0, 2)))
    ranges.receive(adjoint, nothing, 0, 1, 1)
    assert abs(adjoint.exponent[1, 0]) > 800
    ranges.receive(adjoint, direct, 0, 0, 1)
    value = np.ldexp(adjoint.carry[0], adjoint.exponent[0, 0])
    np.testing.assert_allclose(value, [size + 1, 2.0], rtol=1e-15)


def test_one_step_may_take_an_adjoint_below_the_smallest_that_is_kept():
    """dL/dh_0 = 2^-1000 at once: it is no zero, and its exponent is counted."""
    W, one = np.array([[2.0**-1000]]), np.ones((1, 1))
    run = elman_pass(W, np.zeros((1, 1, 1)), one, activation="identity")
    adjoint = states_of(run, [1], one)
    assert bptt.log2_norms(adjoint).ravel().tolist() == [-1000, 0]
