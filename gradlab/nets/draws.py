"""Random weights: a stream for every set of parameters, matrices with an exact spectral radius."""

import json

import numpy as np

from gradlab.errors import one_of

SPARSE_NONZEROS = 15


def stream(**parameters):
    """A generator that follows from the parameters alone, by name and value.

    The order of the keywords, a number's type (2, 2.0, np.int64(2)), the session and the platform
    do not matter. Raises TypeError for a value that has no canonical form, ValueError for nan.
    """
    canonical = {name: _canonical(name, value) for name, value in parameters.items()}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    entropy = int.from_bytes(text.encode(), "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def _canonical(name, value):
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_canonical(name, entry) for entry in value]
    if isinstance(value, float):
        return _canonical_float(name, value)
    if value is None or isinstance(value, bool | int | str):
        return value
    kind = type(value).__name__
    raise TypeError(f"{name}={value!r}: a stream takes numbers, text, None and lists, not {kind}")


def _canonical_float(name, value):
    if not np.isfinite(value):
        raise ValueError(f"{name}={value}: a stream takes finite numbers")
    return int(value) if value.is_integer() else value


def dense(rng, rows, fan_in):
    """(rows, fan_in) weights ~ N(0, 1/fan_in): a sum over fan_in unit inputs has variance 1."""
    return rng.standard_normal((rows, fan_in)) / np.sqrt(fan_in)


def recurrent(rng, n, init="gaussian", spectral_radius=None):
    """W (n, n), rescaled to the spectral radius if one is given.

    gaussian     N(0, 1/n); eigenvalues fill the unit disc as n grows
    orthogonal   Haar: QR of a Gaussian with the signs of R's diagonal moved to Q (Mezzadri 2007)
    symmetric    (A + A^T)/sqrt(8), A gaussian: Wigner's semicircle on [-1, 1]
    identity     the unit matrix (Le, Jaitly, Hinton 2015)
    sparse       15 nonzeros ~ N(0, 1/15) a column, that is out of each unit (all for n <= 15)
    torch        U(-1/sqrt(n), 1/sqrt(n)), PyTorch's own; radius about 0.58

    Radius 0 gives zeros. Raises ValueError for an unknown init, a radius that is negative or not
    finite, and a nilpotent draw that is asked for a radius > 0; the message names init.
    """
    init = one_of("init", init, INITS)
    if n < 1:
        raise ValueError(f"n={n}: a recurrent matrix needs at least one unit")
    W = INITS[init](rng, n)
    return W if spectral_radius is None else rescaled(W, spectral_radius, init)


def rescaled(W, radius, init="given"):
    """W times radius/(spectral radius of W); zeros for radius 0.

    Raises ValueError, naming init, for a bad radius and for a nilpotent W (radius > 0).
    """
    factor = radius_factor(W, radius, init)
    with np.errstate(over="ignore"):
        return W * factor if factor else np.zeros_like(W)


def radius_factor(W, radius, init="given"):
    """radius/(spectral radius of W). Raises ValueError as `rescaled`."""
    if not (np.isfinite(radius) and radius >= 0):
        raise ValueError(f"spectral_radius={radius}: must be a finite number >= 0")
    if radius == 0:
        return 0.0
    drawn = spectral_radius(W)
    if drawn <= np.finfo(W.dtype).eps * np.linalg.norm(W):
        raise ValueError(
            f"init={init!r}: this draw is nilpotent, no factor gives it spectral_radius={radius}"
        )
    return radius / drawn


def spectral_radius(W):
    """The largest |eigenvalue| of W (n, n). Raises ValueError if W is not square or not finite."""
    if W.ndim != 2 or W.shape[0] != W.shape[1]:
        raise ValueError(f"shape {W.shape}: a spectral radius needs a square matrix")
    if not np.isfinite(W).all():
        raise ValueError("a spectral radius needs a matrix without inf and nan")
    symmetric = np.array_equal(W, W.T)
    eigenvalues = np.linalg.eigvalsh(W) if symmetric else np.linalg.eigvals(W)
    return float(np.abs(eigenvalues).max())


def departure(W):
    """Henrici's departure from normality, sqrt(||W||_F^2 - sum of |eigenvalue|^2), of W (n, n).

    Taken from above the diagonal of the complex Schur form, so that a normal W has 0 up to
    rounding (Henrici 1962). Relative to ||W||_F it is sqrt(1/2) for a wide gaussian W.
    """
    from scipy.linalg import schur  # 0.2 s to import: the page names the draws without it

    T, _ = schur(W, output="complex")
    return float(np.linalg.norm(np.triu(T, 1)))


def _gaussian(rng, n):
    return dense(rng, n, n)


def _orthogonal(rng, n):
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)


def _symmetric(rng, n):
    A = dense(rng, n, n)
    return (A + A.T) / np.sqrt(8)


def _identity(_rng, n):
    return np.eye(n)


def _sparse(rng, n):
    count = min(SPARSE_NONZEROS, n)
    chosen = rng.random((n, n)).argsort(axis=0)[:count]
    W = np.zeros((n, n))
    np.put_along_axis(W, chosen, rng.standard_normal((count, n)) / np.sqrt(count), axis=0)
    return W


def _torch(rng, n):
    return rng.uniform(-1, 1, (n, n)) / np.sqrt(n)


INITS = {
    "gaussian": _gaussian,
    "orthogonal": _orthogonal,
    "symmetric": _symmetric,
    "identity": _identity,
    "sparse": _sparse,
    "torch": _torch,
}
