"""Every column of the main job beside one network in mpmath: no lanes, no exponents, no range."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from gradlab.measures import last_step, norms, setting
from gradlab.suite.grid import Block

AXES = ("spectral_radius", "sequence_length", "input_scale")
CONSTANTS = {"task": "oscillator", "init": "gaussian", "interval": 0.1, "seed": 3}
SIGMOID = np.vectorize(lambda a: 1 / (1 + mpmath.exp(-a)), otypes=[object])
ACTIVATIONS = {
    "tanh": (np.vectorize(mpmath.tanh, otypes=[object]), lambda h: 1 - h * h),
    "sigmoid": (SIGMOID, lambda h: h * (1 - h)),
    "identity": (lambda a: a, lambda h: h * 0 + 1),
}
FLOATS = {
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2, 1.0),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: 0.25 / np.cosh(a / 2) ** 2, 0.25),
    "identity": (lambda a: a, np.ones_like, 1.0),
}


def block(radii, lengths, scales, **constants):
    points = zip(*itertools.product(radii, lengths, scales), strict=True)
    points = {name: np.array(values) for name, values in zip(AXES, points, strict=True)}
    return Block(points, CONSTANTS | {"hidden_size": 5, "activation": "tanh"} | constants)


def exact(array):
    return np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(array, float))


def norm(*arrays):
    return mpmath.sqrt(sum(v * v for array in arrays for v in np.ravel(array)))


def log10(value):
    return float(mpmath.log10(value)) if value else -math.inf


def twin(given, row):
    """The columns of one row that follow from its gradients, 30 digits and any exponent."""
    radius, length, scale = (given.points[name][row] for name in AXES)
    shared = setting.draw(given, int(max(given.points["sequence_length"])))
    W, U, V = (exact(shared.net.weights[name]) for name in "WUV")
    W, U = W * mpmath.mpf(radius), U * mpmath.mpf(scale)  # an input's scale is one of U
    x = exact(shared.inputs[:length, 0])
    f, slope = ACTIVATIONS[given.constants["activation"]]
    h = [exact(shared.start) * int(scale == 0)]
    for x_t in x:
        h.append(f(W @ h[-1] + U @ x_t))
    error = V @ h[-1] - exact(shared.targets[length - 1, 0])
    adjoint, terms = [V.T @ (2 * error)], []
    for t in range(length, 0, -1):
        delta = adjoint[-1] * slope(h[t])
        terms.append((np.outer(delta, h[t - 1]), np.outer(delta, x[t - 1]), delta))
        adjoint.append(W.T @ delta)
    return by_lag(adjoint) | weights(terms, (error, h[-1])) | {"loss": float(error @ error)}


def by_lag(adjoint):
    """adjoint: dL/dh_T, dL/dh_{T-1}, ..., dL/dh_0."""
    sizes = [norm(g) for g in adjoint]
    ratios, length = [size / sizes[0] for size in sizes], len(sizes) - 1
    far = [lag for lag, ratio in enumerate(ratios) if ratio <= 0.1 or ratio >= 10]
    lags = {
        f"log10_gradient_lag_{lag}": log10(ratios[lag]) if lag <= length else math.nan
        for lag in (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500)
    }
    return lags | {
        "log10_gradient_ratio": log10(ratios[-1]),
        "decades_per_step": log10(ratios[-1]) / length,
        "horizon": min(far, default=math.nan),
        "float32_norm_state": plain(sizes[-1], np.float32),
        "float64_norm_state": plain(sizes[-1], np.float64),
    }


def weights(terms, end):
    """terms (T, 3), of dL/dW, dL/dU, dL/db, from the last step's to the first's."""
    error, h = end
    W, U, b = (sum(term[i] for term in terms) for i in range(3))
    early = sum((W_t for W_t, *_ in terms[len(terms) - len(terms) // 2 :]), 0 * W)
    found = {"W": W, "U": U, "b": b, "V": np.outer(2 * error, h), "c": 2 * error, "W_early": early}
    every = norm(W, U, b, found["V"], found["c"])
    return {f"log10_norm_{name}": log10(norm(array)) for name, array in found.items()} | {
        "log10_norm_all": log10(every),
        "early_share": float(norm(early) / norm(W)) if norm(W) else math.nan,
        "float32_norm_all": plain(every, np.float32),
        "float64_norm_all": plain(every, np.float64),
    }


def plain(size, dtype):
    with np.errstate(over="ignore", under="ignore"):
        return float(np.sqrt(dtype(float(size * size))))


def theory(given, row):
    """The columns that need no gradient: W's spectrum, and the recursion of mean field."""
    radius, length, scale = (given.points[name][row] for name in AXES)
    shared = setting.draw(given, int(max(given.points["sequence_length"])))
    W, U = radius * shared.net.weights["W"], shared.net.weights["U"]
    f, slope, steepest = FLOATS[given.constants["activation"]]
    gain = math.sqrt((W**2).sum() / len(W))
    z, p = np.polynomial.hermite_e.hermegauss(151)
    p = p / p.sum()
    square, rates = (shared.start**2).mean() * (scale == 0), []
    for x_t in shared.inputs[:length, 0]:
        q = min(gain**2 * square + ((U @ x_t * scale) ** 2).mean(), 1e290)
        square = p @ f(math.sqrt(q) * z) ** 2
        rates.append(math.log10(gain**2 * (p @ slope(math.sqrt(q) * z) ** 2)) / 2)
    eigenvalue, singular = np.abs(np.linalg.eigvals(W)).max(), np.linalg.svd(W)[1][0]
    independent = given.constants["init"] == "gaussian"
    return {
        "eigenvalue_radius": eigenvalue, "singular_value": singular, "gain": gain,
        "rate_eigenvalue": math.log10(eigenvalue),
        "rate_singular": math.log10(steepest * singular),
        "rate_mean_field": np.mean(rates) if independent else math.nan,
    }  # fmt: skip


CASES = {
    "short": block((0.3, 0.9, 1.8), (1, 2, 3, 7, 36), (0.0, 0.5), hidden_size=4),
    "decays": block((0.3,), (500, 401), (0.5,)),
    "decays, no input": block((0.3,), (250,), (0.0,)),
    "sigmoid": block((0.9,), (500,), (0.5,), activation="sigmoid"),
    "linear": block((0.1,), (200,), (0.0,), activation="identity", init="orthogonal"),
    "grows": block((4.0,), (250,), (0.0,), activation="identity"),
    "alone": block((0.7, 1.3), (150,), (0.1,), activation="identity", hidden_size=1),
}


@pytest.mark.parametrize("case", CASES)
def test_every_column_is_that_of_the_network_in_mpmath(case):
    given = CASES[case]
    table = last_step.measure(given)
    assert (table.pop("status") == "ok").all() and not table.pop("first_bad_step").any()
    for row in range(len(given)):
        with mpmath.workdps(30):
            right = twin(given, row) | theory(given, row)
        assert right.keys() == table.keys()
        for name, value in right.items():
            near = {"rtol": 3e-7 if name.startswith("float32") else 1e-8, "atol": 1e-9}
            if name == "early_share":
                near["atol"] = 0
            np.testing.assert_allclose(table[name][row], value, **near, err_msg=f"{name}, {row}")


def test_a_horizon_is_the_first_lag_at_a_tenth_or_at_ten():
    curves = np.array([[-3.0, 0.2, -1.0, 0.9], [-1.0, 1.0, -0.5, 0.0], [-0.9, 0.5, 0.0, 7.0],
                       [0.0, 0.0, 7.0, 7.0]])  # fmt: skip
    found = last_step._horizon(curves, np.array([3, 3, 2, 1]))
    np.testing.assert_array_equal(found, [2, 2, 2, np.nan])


def test_the_first_state_that_is_not_finite_is_named():
    given = block((1.5, 4.0), (100, 600), (0.0,), activation="identity", hidden_size=1)
    table = last_step.measure(given)
    start = abs(setting.draw(given, 600).start[0])
    for row, (radius, length) in enumerate(zip(*list(given.points.values())[:2], strict=True)):
        step = math.ceil((1024 - math.log2(start)) / math.log2(radius))
        step = step if step <= length else 0
        assert table["first_bad_step"][row] == step
        assert table["status"][row] == ("overflow" if step else "ok")
        assert np.isnan(table["loss"][row]) == (step > 0)


@pytest.mark.parametrize("exponent", [-4000, -300, 0, 300, 4000])
def test_norms_and_sums_of_rows_need_no_range(exponent):
    rng = np.random.default_rng(0)
    rows, others = (rng.standard_normal((9, 5)) for _ in range(2))
    powers = np.array([-1070, -700, -300, -1, 0, 1, 300, 700, 1020])
    rows = np.ldexp(rows, powers[:, None])
    rows[4] = 0
    levels = np.full(9, exponent), np.zeros(9, int)

    def right(*terms):
        total = sum(exact(array) * mpmath.mpf(2) ** int(e) for array, e in terms)
        return float(mpmath.log(norm(total), 2)) if norm(total) else -math.inf

    wanted = [right((rows[i], levels[0][i])) for i in range(9)]
    np.testing.assert_allclose(norms.log2_norms(rows, levels[0]), wanted, rtol=1e-13)
    whole = [right((rows[i], levels[0][i]), (others[i], levels[1][i])) for i in range(9)]
    summed, level = rows.copy(), levels[0].copy()
    norms.add((summed, level), (others, levels[1]))
    np.testing.assert_allclose(norms.log2_norms(summed, level), whole, rtol=1e-13)
