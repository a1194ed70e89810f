"""One row of a training's table: what an update wanted, what was applied, what became of W.

update, status       number of the update; ok, solved, stopped, diverged, finished; nan or overflow
                     where this minibatch's loss or gradient is nan or beyond float64's range but
                     the training goes on
loss, mean_loss      of this minibatch; mean since the last row
norm_before, _after  of the gradient before and after clipping (Omega's included)
mean_norm            of the gradient before clipping, since the last row
clipped, share_clipped   share of what was clipped (see Found); its mean since the last row
not_finite, share_not_finite   share whose norm is inf or nan, which is not clipped for another
                     reason than being small; its mean since the last row
cosine               between the step that was wanted, -dL/dw, and the one that was made
step, learning_rate  norm of the step that was made (nan, as the cosine, where an embedding's
                     diverged at an update that nobody looked at); the rate at this update
spectral_radius, singular_value   of W after the step (of the worst gate's block; of all of W);
                     of W V for jordan; of a stack the largest of all layers and directions
omega                Omega of this minibatch (one layer of cell elman, not truncated)
horizon              steps back over which ||dL/dh_t||^2 >= 1e-20, mean over lanes; h of a stack's
                     top layer, both directions side by side
log10_gradient_ratio log10 of ||dL/dh_0||/||dL/dh_T||, median over lanes; h likewise, T each
                     lane's own last step
error, evaluation_loss   share of fresh sequences that are wrong, of Sequences that of steps (nan:
                         the task does not say what is), and their loss; nan: not evaluated
updates_per_second   since the training began, without rows and evaluations
"""

import math

import numpy as np

from gradlab.learning.gradient import spread
from gradlab.learning.rules import norm
from gradlab.nets import draws, weights
from gradlab.nets.heads import scored
from gradlab.nets.losses import loss_of

COLUMNS = (
    "update", "status", "loss", "mean_loss", "norm_before", "norm_after", "mean_norm", "clipped",
    "share_clipped", "not_finite", "share_not_finite", "cosine", "step", "learning_rate",
    "spectral_radius", "singular_value", "omega", "horizon", "log10_gradient_ratio", "error",
    "evaluation_loss", "updates_per_second",
)  # fmt: skip
BOUND = -20 * math.log2(10)  # of log2 ||dL/dh_t||^2, as in Omega
CHUNK = 500  # sequences of an evaluation that run at a time


def of_update(found, change):
    """The columns that follow from the gradients and from the step that was made of them."""
    lags, lengths = found.back.lags(), found.back.lengths
    with np.errstate(invalid="ignore"):
        ratio = np.median(lags[0] - lags[lengths, np.arange(len(lengths))]) * math.log10(2)
        cosine = math.nan if change is None else _cosine(spread(found.wanted, found.back), change)
    return {
        "loss": found.loss,
        "norm_before": found.norm,
        "norm_after": float(norm([found.applied])),
        "clipped": found.clipped,
        "not_finite": found.not_finite,
        "cosine": cosine,
        "step": math.nan if change is None else float(norm([change])),
        "omega": found.omega,
        "horizon": float((2 * lags[1:] >= BOUND).sum(0).mean()),
        "log10_gradient_ratio": float(ratio),
    }


def health(found):
    """ok, or nan or overflow for a minibatch whose loss or gradient is not finite."""
    if math.isnan(found.loss) or np.isnan(found.applied).any():
        return "nan"
    return "ok" if math.isfinite(found.loss) and not found.not_finite else "overflow"


def of_weights(net):
    """The worst chain's spectral radius and largest singular value; nan if not finite."""
    found = [_of_chain(net.module, weights.own(net.weights, place)) for place in net.places]
    radii, values = np.max(found, axis=0).tolist()
    return {"spectral_radius": radii, "singular_value": values}


def _of_chain(cell, own):
    """Of W (G N, N), or of W V."""
    W = weights.fed_back(cell, own)
    if not np.isfinite(W).all():
        return math.nan, math.nan
    radii = [draws.spectral_radius(block) for block in weights.square(cell, own).values()]
    return max(radii), float(np.linalg.norm(W, 2))


def since(history, rows):
    """Means since the last row: history maps mean_loss, ... to one number an update."""
    first = rows[-1]["update"] if rows else 0
    return {name: float(np.mean(values[first:])) for name, values in history.items()}


def evaluation(net, task, sample, size, mean="lanes", carry=False):
    """(share of wrong sequences, loss) over `size` of sample(count) -> x, y, or x, y, lengths.

    mean: of the loss, over lanes or over the steps that have one; carry: each starts where the one
    before in its lane has ended.
    """
    wrong, losses, count, start = [], [], 0, None
    while len(losses) < size:
        x, y, lengths = (*sample(min(CHUNK, size - len(losses))), None)[:3]
        with np.errstate(over="ignore", invalid="ignore"):  # of a network that is thrown off
            states = net.forward(x, None if start is None else first(start, len(x[0])), lengths)
            own_wrong, own_losses = _judged(task, states.outputs, y, lengths)
        full = np.full(len(own_losses), len(x)) if lengths is None else lengths
        if mean == "steps":
            count += int(scored(y, task.LOSS, task.AT, len(x), full).sum())
        if carry:
            start = states.ends(full)
        wrong.extend(own_wrong)
        losses.extend(own_losses)
    over = max(count, 1) if mean == "steps" else len(losses)
    return float(np.mean(wrong)), float(np.sum(losses) / over)


def first(start, lanes):
    """The h0 of the first lanes of those that an h0 is of: the last ones have ended."""
    return tuple(part[..., :lanes, :] for part in start)


def _judged(task, outputs, y, lengths):
    steps = len(outputs)
    if task.AT == "last":
        outputs = outputs[-1 if lengths is None else lengths - 1, np.arange(outputs.shape[1])]
    loss, _ = loss_of(outputs, y, task.LOSS)
    if task.AT == "every":
        within = lengths is None or np.arange(steps)[:, None] < lengths
        loss = np.where(within, loss, 0).sum(0)
    given = (outputs, y) if lengths is None else (outputs, y, lengths)
    wrong = task.wrong(*given) if hasattr(task, "wrong") else [math.nan] * len(loss)
    return wrong, loss


def _cosine(a, b):
    # By largest entries first: a norm of 1e200 has no square.
    a, b = (v / (np.abs(v).max() or 1.0) for v in (a, b))
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size else math.nan
