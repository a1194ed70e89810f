"""The spectra of the recurrent matrices: W, or each gate's block of it."""

from typing import NamedTuple

import numpy as np

from gradlab.nets import draws, weights
from gradlab.threads import each

EXACT = 256  # units up to which the departure is taken from Schur's form
MOST = 2048  # units beyond which not all eigenvalues are computed: minutes, at 4,096
SINGLE = 512  # units beyond which float32 will do: 1,024 take 3 s instead of 9


class Spectrum(NamedTuple):
    """Of one square matrix W.

    radius     the largest |eigenvalue|
    singular   the largest singular value
    departure  Henrici's departure from normality over ||W||_F: 0 for a normal W, sqrt(1/2) for a
               wide gaussian one; nan above 2,048 units
    """

    radius: float
    singular: float
    departure: float


def of(net, place):
    """{block's name: Spectrum} of a layer and direction."""
    blocks = weights.square(net.module, weights.own(net.weights, place))
    return dict(zip(blocks, each(spectrum, list(blocks.values())), strict=True))


def spectrum(W):
    """The `Spectrum` of a square matrix; nan where it is not finite."""
    if not np.isfinite(W).all():
        return Spectrum(np.nan, np.nan, np.nan)
    if len(W) > MOST:
        return _iterated(W)
    scale = float(np.abs(W).max())
    if not scale:
        return Spectrum(0.0, 0.0, 0.0)
    # by the largest entry first: the squares of 1e200 are beyond the floats' range
    W = (W / scale).astype(np.float32 if len(W) > SINGLE else np.float64)
    singular, whole = np.linalg.norm(W, 2), np.linalg.norm(W)
    values = np.abs(np.linalg.eigvals(W)).astype(np.float64)
    if len(W) <= EXACT:
        departure = draws.departure(W)
    else:  # loses what is below the root of rounding; Schur's form takes twice the time
        departure = np.sqrt(max(float(whole) ** 2 - float((values**2).sum()), 0.0))
    return Spectrum(scale * float(values.max()), scale * float(singular), float(departure / whole))


def _iterated(W):
    """By Arnoldi's and Lanczos's iterations, which need products with W alone."""
    from scipy.sparse.linalg import ArpackNoConvergence, eigs, svds

    start = np.random.default_rng(0).standard_normal(len(W)).astype(W.dtype)
    try:
        values = eigs(W, k=6, v0=start, return_eigenvectors=False, tol=1e-4, maxiter=50 * len(W))
    except ArpackNoConvergence as lacking:
        values = lacking.eigenvalues
    singular = svds(W, k=1, v0=start, return_singular_vectors=False, tol=1e-4)
    radius = np.abs(values).max() if len(values) else np.nan
    return Spectrum(float(radius), float(singular[0]), np.nan)
