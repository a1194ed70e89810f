"""Draws: streams named by their parameters, matrices of the radius that was asked for."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.nets import draws
from gradlab.nets.network import Network


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def first(**parameters):
    return draws.stream(**parameters).integers(2**62)


def test_stream_follows_from_names_and_values_not_from_order_or_number_type():
    assert first(seed=1, hidden_size=64) == first(hidden_size=np.int64(64), seed=1.0)
    assert first(seed=1, scale=0.1) == first(scale=np.float64(0.1), seed=np.int32(1))
    assert first(size=(1, 2)) == first(size=np.array([1, 2]))


@pytest.mark.parametrize("other", [{"seed": 2}, {"sed": 1}, {"seed": "1"}, {"seed": 1, "a": None}])
def test_stream_changes_with_any_name_or_value(other):
    assert first(seed=1) != first(**other)


def test_stream_is_pinned():
    assert first(seed=0, init="gaussian", hidden_size=64) == 3355014783461055313


def test_stream_refuses_what_has_no_canonical_form():
    with pytest.raises(ValueError, match="scale=nan: a stream takes finite numbers"):
        draws.stream(scale=float("nan"))
    with pytest.raises(TypeError, match=r"activation=<built-in.*not builtin_function_or_method"):
        draws.stream(activation=len)


@pytest.mark.parametrize("init", draws.INITS)
@pytest.mark.parametrize("n", [1, 2, 15, 16, 64])
@pytest.mark.parametrize("radius", [0.5, 1.0, 2.5])
def test_radius_is_exact(rng, init, n, radius):
    W = draws.recurrent(rng, n, init, radius)
    assert W.shape == (n, n)
    assert abs(draws.spectral_radius(W) - radius) < 1e-12 * radius


@pytest.mark.parametrize("init", draws.INITS)
def test_radius_zero_gives_zeros_and_none_leaves_the_draw(init):
    assert not draws.recurrent(np.random.default_rng(1), 7, init, 0).any()
    plain = draws.recurrent(np.random.default_rng(1), 7, init)
    scaled = draws.recurrent(np.random.default_rng(1), 7, init, 0.9)
    np.testing.assert_allclose(scaled, plain * 0.9 / draws.spectral_radius(plain), rtol=1e-14)


# Large-n laws: the disc, semicircle and PyTorch's uniform; at n = 400 the edge is off by some %.
@pytest.mark.parametrize(
    ("init", "expected"),
    [("gaussian", 1), ("orthogonal", 1), ("symmetric", 1), ("sparse", 1), ("torch", 3**-0.5)],
)
def test_plain_draws_have_their_textbook_radius(rng, init, expected):
    assert draws.spectral_radius(draws.recurrent(rng, 400, init)) == pytest.approx(
        expected, rel=0.1
    )


def test_structure(rng):
    Q = draws.recurrent(rng, 30, "orthogonal")
    np.testing.assert_allclose(Q @ Q.T, np.eye(30), atol=1e-13)
    S = draws.recurrent(rng, 30, "symmetric", 0.7)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_array_equal(draws.recurrent(rng, 5, "identity", 0.7), 0.7 * np.eye(5))
    outgoing = np.count_nonzero(draws.recurrent(rng, 40, "sparse"), axis=0)
    np.testing.assert_array_equal(outgoing, draws.SPARSE_NONZEROS)
    assert draws.recurrent(rng, 9, "sparse").all()
    assert np.abs(draws.recurrent(rng, 25, "torch")).max() <= 0.2


def test_haar_has_no_preferred_sign():
    """Without the sign correction LAPACK's Q has a diagonal of one sign: the mean is far from 0."""
    rng = np.random.default_rng(0)
    corners = [draws.recurrent(rng, 4, "orthogonal")[0, 0] for _ in range(2000)]
    assert abs(np.mean(corners)) < 5 * np.sqrt(1 / 4 / 2000)


def test_dense_variance_is_one_over_fan_in(rng):
    U = draws.dense(rng, 500, 20)
    assert U.shape == (500, 20)
    assert U.var() == pytest.approx(1 / 20, rel=0.05)


def test_spectral_radius_of_complex_and_negative_pairs():
    assert draws.spectral_radius(np.array([[0.0, -2.0], [2.0, 0.0]])) == pytest.approx(2, rel=1e-14)
    assert draws.spectral_radius(np.diag([1.0, -3.0])) == pytest.approx(3, rel=1e-14)


def test_errors_are_one_line_and_name_what_was_given(rng, monkeypatch):
    with pytest.raises(
        ValueError, match=r"init must be one of .* not 'gausian': did you mean gaussian\?"
    ):
        draws.recurrent(rng, 3, "gausian")
    with pytest.raises(ValueError, match="n=0: "):
        draws.recurrent(rng, 0)
    for radius in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"spectral_radius={radius}: must be a finite"):
            draws.recurrent(rng, 3, "gaussian", radius)
    monkeypatch.setitem(draws.INITS, "shift", lambda rng, n: np.eye(n, k=1))
    with pytest.raises(ValueError, match=r"init='shift': .* nilpotent, .* spectral_radius=0\.9"):
        draws.recurrent(rng, 6, "shift", 0.9)
    assert not draws.recurrent(rng, 6, "shift", 0).any()


def test_spectral_radius_refuses_what_has_none():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        draws.spectral_radius(np.ones((2, 3)))
    with pytest.raises(ValueError, match="inf and nan"):
        draws.spectral_radius(np.full((2, 2), np.nan))


def test_the_departure_from_normality_is_henricis():
    W = draws.recurrent(np.random.default_rng(0), 20)
    eigenvalues = np.linalg.eigvals(W)
    by_eigenvalues = np.sqrt(np.linalg.norm(W) ** 2 - (np.abs(eigenvalues) ** 2).sum())
    assert draws.departure(W) == pytest.approx(by_eigenvalues, rel=1e-10)
    assert draws.departure(np.array([[0.9, 3.0], [0.0, 0.9]])) == pytest.approx(3.0, rel=1e-15)
    for init in ("orthogonal", "symmetric", "identity"):
        assert draws.departure(draws.recurrent(np.random.default_rng(0), 20, init)) < 1e-13


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"hidden": 10**9},
            r"hidden=1000000000, outputs=1: weights of 7\.45e\+09 GiB, at most 2 GiB",
        ),
        ({"outputs": 2**53}, "at most 2 GiB"),
        ({"layers": 10**9}, "layers must be a whole number from 1 to 9999, not 1000000000"),
    ],
)
def test_what_fits_into_no_memory_is_refused_before_it_is_drawn(sizes, message):
    with pytest.raises(UserError, match=message):
        Network.draw(**{"inputs": 1, "hidden": 2, "outputs": 1} | sizes)
