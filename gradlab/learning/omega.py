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
from gradlab.learning.gradient import Back


class Omega(NamedTuple):
    """The value of Omega, its immediate derivative (N, N), and the mean number of counted steps."""

    value: float
    gradient: np.ndarray
    steps: float


def omega(net, x, y, loss="squared_error", at="every", lengths=None):
    """Omega of a network on a batch, as `Network.gradients` takes it.

    The bound on ||dL/dh||^2 is in units of the mean loss, as the authors have it. Raises UserError
    for a cell other than elman, and for a stack.
    """
    check(net)
    return Omega(*Back.of(net, (x, y, lengths), loss, at, omega=True).omega)


def check(net):
    """Raise UserError unless Omega is defined for the network's cell."""
    if not net.module.omega:
        raise UserError(f"omega is defined for cell elman, not {net.cell}")
    if len(net.places) > 1:
        raise UserError("omega is defined for one layer and one direction, not a stack")
