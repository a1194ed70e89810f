"""What eigenvalues and singular values say of gradients: rates, bounds, the gain of a drawn W."""

import numpy as np

from gradlab.theory.mean_field import activation_of


def eigenvalue_rate(radius):
    """log10(spectral radius): decades a step of W^t = V Lambda^t V^-1 at large t; -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log10(radius)


def singular_bound(largest_singular_value, activation="tanh"):
    """Decades a step that no gradient can exceed: log10(gamma sigma_max(W)), gamma = max |phi'|.

    Below 0 the gradient must vanish (Pascanu, Mikolov, Bengio, ICML 2013).
    """
    with np.errstate(divide="ignore"):
        return np.log10(activation_of(activation).steepest * np.asarray(largest_singular_value))


def weight_gain(W):
    """||W||_F/sqrt(N), the gain of a drawn W; at finite N it is not the radius of that draw."""
    size = np.abs(W).max() or 1.0  # its square may be beyond float64
    return size * (np.linalg.norm(W / size) / np.sqrt(len(W))) if np.isfinite(size) else size
