"""The gradients of one batch; what is looked at seldom is computed when it is asked for."""

from functools import cached_property

import numpy as np

from gradlab.nets import gradients, health, view
from gradlab.nets.scaled import common_exponent, log2_norm, plain


class Gradients:
    """dL/d(everything) for L = mean over lanes of the sum over steps.

    loss       L
    weights    dict U (N, D), W (N, N), b (N,), V (O, N), c (O,): dL/d(weight) / 2**exponent
    exponent   0 whenever every gradient fits float64
    lag_log2   (T+1, B): log2 ||dL/dh[t]||, -inf after a lane's end and where it is exactly zero
    """

    def __init__(self, run, slope):
        self._run, self._slope, self.loss = run, slope, float(slope.value)
        sums = gradients.Sums(run.net.module.sources(run.trace, run.x), run.passed.weights)
        for span, adjoint in self._slices():
            sums.add(adjoint, span)
        parts = {name: (sums.total[name][0], sums.exponent[name][0]) for name in sums.total}
        parts |= {name: (value, 0) for name, value in slope.readout_gradients().items()}
        self.weights, self.exponent = common_exponent(parts, run.net.weights)
        self.lag_log2 = run.unsorted(gradients.log2_norms(adjoint))

    def __repr__(self):
        kinds = ", ".join(np.unique(self.status))
        return f"Gradients(loss {self.loss:.6g}, norm {view.power(self.log2_norm)}, {kinds})"

    def _repr_html_(self):
        return view.gradients(self)

    @property
    def lengths(self):
        """(B,): the steps of each lane."""
        return self._run.unsorted(self._run.lengths)

    @property
    def log2_norm(self):
        """log2 of the norm of all weights' gradients together."""
        return log2_norm(self.weights.values(), self.exponent)

    @cached_property
    def status(self):
        """(B,): ok, zero (dL/dh[0] is exactly zero), overflow or nan, see `bad_step`."""
        steps, kinds = self._bad
        vanished = np.isneginf(self.lag_log2[0])
        return health.status_of(*map(self._run.unsorted, (steps, kinds)), vanished)

    @property
    def bad_step(self):
        """(B,): the first t at which h[t] is not finite, 0 if all are."""
        return self._run.unsorted(self._bad[0])

    @cached_property
    def _bad(self):
        return health.first_bad_step(self._run.hidden, self._run.x, self._run.lengths)

    @cached_property
    def outputs(self):
        """dL/do, (T, B, O)."""
        return self._run.unsorted(self._slope.outputs())

    @cached_property
    def states(self):
        """dL/dh[t], (T+1, B, N); 0 or inf where the dtype ends (`lag_log2` goes on)."""
        *_, (_, adjoint) = self._slices(keep=True)
        states = plain(adjoint.states, adjoint.exponent[..., None])
        return self._run.unsorted(states[..., : self._run.net.hidden])

    @cached_property
    def terms(self):
        """(T,): the norm of each k's term of dL/dW = sum over k = 1..T; entry k - 1 is term k."""
        norms = np.zeros(len(self._run.x))
        for k, term, exponent in self._terms():
            norms[k - 1] = np.exp2(log2_norm([term], exponent))
        return norms

    def term(self, k):
        """Term k (N, N) of dL/dW, 1 <= k <= T: dL/da_k h_{k-1}^T, what step k's use of W gives."""
        steps = len(self._run.x)
        if not 1 <= k <= steps:
            raise ValueError(f"k must lie between 1 and T = {steps}, not {k}")
        for step, term, exponent in self._terms():
            if step == k:
                return plain(term, exponent)
        return np.zeros_like(self.weights["W"])  # after the end of every lane

    def _terms(self):
        """(k, term, exponent) from the longest lane's last step down to k = 1."""
        for (start, stop, lanes), adjoint in self._slices():
            for t in range(stop - 1, start - 1, -1):
                exponent = adjoint.exponent[t + 1, :lanes]
                rows = adjoint.delta[(t - start) * lanes : (t - start + 1) * lanes]
                delta = plain(rows, (exponent - exponent.max())[:, None])
                yield t + 1, delta.T @ self._run.hidden[t, :lanes], exponent.max()

    def _slices(self, keep=False):
        run, slope = self._run, self._slope
        spans = gradients.slices(run.lengths)
        return gradients.backward(run.passed, spans, slope.head, slope.direct, keep)
