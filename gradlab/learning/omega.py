"""Omega, the regulariser of Pascanu, Mikolov and Bengio: keep dL/dh the same size on its way back.

With g_t = dL/dh_t and v_t = W^T diag(f'(a_t)) g_t, which is what of g_t reaches step t - 1,

    Omega = mean over lanes of sum over t of (||v_t||^2/||g_t||^2 - 1)^2 / (mean counted steps)

as in the authors' code (the papers print the plain sum over t, some T times stronger). A step
counts where ||g_t||^2 >= 1e-20; the others add 0. Only its immediate derivative with respect to W
is taken: g_t and f'(a_t) are held,

    dOmega/dW = sum of 4 (||v||^2/||g||^2 - 1)/||g||^2 (diag(f') g) v^T / (lanes * counted steps)
"""

from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.learning.backprop import Backprop

BOUND = -20 * np.log2(10)  # log2 of the smallest ||dL/dh_t||^2 that counts
SLOPES = {
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "relu": lambda h: (h > 0).astype(h.dtype),
    "identity": np.ones_like,
}


class Omega(NamedTuple):
    """The value of Omega, its immediate derivative (N, N), and the mean number of counted steps."""

    value: float
    gradient: np.ndarray
    steps: float


def omega(net, x, y, loss="squared_error", at="every"):
    """Omega of a network on a batch, as `Network.gradients` takes it.

    The bound on ||dL/dh||^2 is in units of the mean loss, as the authors have it. Raises UserError
    for a cell other than elman.
    """
    check(net)
    back = Backprop(net, x, y, loss, at)
    back.sums(keep=True)
    return of_pass(back)


def check(net):
    """Raise UserError unless Omega is defined for the network's cell."""
    if net.cell != "elman":
        raise UserError(f"omega is defined for cell elman, not {net.cell}")


def of_pass(back):
    """Omega from a backward pass that kept dL/dh."""
    net, adjoint = back.net, back.adjoint
    h, g = back.run.trace.state[1:], adjoint.states[1:]
    u = SLOPES[net.activation](h) * g  # each row at its own power of two, which cancels
    v = (u.reshape(-1, u.shape[2]) @ net.weights["W"]).reshape(u.shape)
    size = np.einsum("tbn,tbn->tb", g, g)
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = np.log2(adjoint.norm2[1:]) + 2 * adjoint.exponent[1:] >= BOUND
        off = np.where(counts, np.einsum("tbn,tbn->tb", v, v) / size - 1, 0.0)
        factor = np.where(counts, 4 * off / size, 0.0)
    total = counts.sum()
    if not total:
        return Omega(0.0, np.zeros_like(net.weights["W"]), 0.0)
    u *= (factor / total)[..., None]
    gradient = u.reshape(-1, u.shape[2]).T @ v.reshape(-1, u.shape[2])
    return Omega(float((off**2).sum() / total), gradient, float(total / u.shape[1]))
