"""How the Jacobians of a forward pass stretch: products of them, and Lyapunov exponents.

Perturbations follow Q_t R_t = J_t Q_{t-1}, J_t = dh_t/dh_{t-1} along the states of the pass; the
exponents are the means over t of ln|diag R_t| (Benettin et al. 1980). Unit vectors are the lanes
of a backward pass, so every cell that has one has exponents. `lyapunov` follows a few of them back
in time, Q_{t-1} R_{t-1} = J_t^T Q_t: transposes have the same exponents, and it takes k lanes, not
all of them.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from gradlab import given
from gradlab.errors import UserError
from gradlab.kernels.arrays import Trace
from gradlab.kernels.elementwise import IDENTITY
from gradlab.nets import bptt, view
from gradlab.nets.batch import Batch, Run
from gradlab.nets.exponents import plain
from gradlab.threads import each

if TYPE_CHECKING:
    from gradlab.nets.network import Network

LONGEST = 16  # steps a QR: at N = 64 more would save nothing
BLOCKS = 10
EPS = np.finfo(np.float64).eps
ENOUGH = EPS**0.5  # half of the digits: the least |R_jj| / ||product|| that products may show


class Lyapunov(NamedTuple):
    """What `lyapunov` returns: k exponents of a state of S values, natural logarithms a step.

    values           (k,): the exponents, means over steps and lanes, falling
    errors           (k,): their standard errors, see `interval`
    dimension        Kaplan and Yorke's: j + (lambda_1 + ... + lambda_j)/|lambda_{j+1}|, j the last
                     one whose sum is not negative; 0 if the first is negative, S if no sum is
    entropy          sum of the positive exponents: the entropy a step is no larger (Pesin)
    mean             of all S exponents; nan if fewer were asked for
    log_determinant  mean of ln|det J_t|/S, by LU of each Jacobian: what `mean` must be
    lanes            (B, k): the exponents of each lane by itself
    blocks           number of blocks of time, of all lanes together, that the errors are from

    dimension and entropy are nan where too few exponents were asked for to know them.
    """

    values: np.ndarray
    errors: np.ndarray
    dimension: float
    entropy: float
    mean: float
    log_determinant: float
    lanes: np.ndarray
    blocks: int

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of each exponent: Student's, with blocks - 1 degrees of freedom."""
        half = stdtrit(self.blocks - 1, (1 + level) / 2) * self.errors
        return self.values - half, self.values + half

    def __repr__(self):
        return f"Lyapunov({view.exponents_line(self)})"

    def _repr_html_(self):
        return view.exponents(self)


def lyapunov(
    net: "Network",
    x,
    exponents: int | None = None,
    *,
    h0=None,
    discard: int | None = None,
    blocks: int = BLOCKS,
) -> Lyapunov:
    """The Lyapunov exponents of a network under an input, with standard errors.

    lambda_i = lim 1/T ln sigma_i(J_T ... J_1), J_t = dh_t/dh_{t-1}: the mean rates, in natural
    logarithms a step, at which small changes of the state grow; if one is above 0 the network is
    chaotic. By QR (Benettin et al. 1980; of recurrent networks Engelken, Wolf, Abbott 2023), as
    often as it takes for all of them to add up to the mean ln|det J_t|; the dimension is that of
    Kaplan and Yorke (1979).

    net        of one layer in one direction, any cell. An LSTM's state is (h, c): 2N exponents
    x          (T, B, D), each lane a trajectory; zeros (T, 1, D) where nothing drives the network
    exponents  how many, from the largest on; all unless given. Up to half of them take as much
               less time: they are followed back in time, and the last steps are left out as well
    h0         the first state, as `Network.forward` takes it. Zeros unless given: without input and
               biases a network stays there
    discard    first steps that are left out, in which states and perturbations settle; T // 10
               unless given, and what does not fill the blocks
    blocks     of time in each lane. The error is the standard deviation of all blocks' rates over
               the square root of their number: they should be longer than the network's memory

        net = gradlab.Network.draw(inputs=1, hidden=64, outputs=1, spectral_radius=3.0)
        x = np.random.default_rng(0).standard_normal((500, 1, 1))
        found = gradlab.lyapunov(net, x)
        found.values[0], found.errors[0]  # the largest, and its standard error
        found.dimension, found.entropy

    Returns a `Lyapunov`. An exponent is -inf for a direction that is lost, exactly or within the
    rounding of a singular Jacobian, nan for one that the rounding of one Jacobian hides, and after
    a state that is not finite. float32 networks are followed in float64. Raises UserError, one
    line, for stacks, both directions, what does not fit, and too few steps for the blocks.
    """
    run = _passed(net, x, h0)
    steps, (lanes, size) = len(run.trace.saved), run.trace.state.shape[1:]
    discard, blocks = _checked(steps, discard, blocks)
    right = f"be a whole number from 1 to the state's {size}"
    count = size if exponents is None else given.whole("exponents", exponents, right, 1, size)
    alone = [lane(run, index) for index in range(lanes)]

    first = steps - (steps - discard) // blocks * blocks if count == size else steps

    def followed(own):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            own = _wide(own)
            return _rates(own, count, discard, blocks), _log_determinant(own, first)

    rates, determinants = zip(*each(followed, alone), strict=True)
    return _found(np.array(rates), size, float(np.mean(determinants)))


def lane(run, index):
    """The pass of one lane of a pass, by itself."""
    chosen = slice(index, index + 1)
    state, saved = (np.ascontiguousarray(array[:, chosen]) for array in run.trace)
    return run._replace(gain=run.gain[chosen], trace=Trace(state, saved))


def jacobian(run, start, stop):
    """(product, exponent): dh_stop/dh_start = J_stop ... J_{start+1} = product (S, S) * 2^exponent.

    Raises ValueError for a pass of several lanes, and unless 0 <= start < stop <= T.
    """
    steps, (lanes, size) = len(run.trace.saved), run.trace.state.shape[1:]
    if lanes != 1:
        raise ValueError(f"a Jacobian needs a pass of one lane (see `lane`), not of {lanes}")
    if not 0 <= start < stop <= steps:
        raise ValueError(f"steps {start} to {stop}: must rise within 0 to T = {steps}")
    return through(run, start, stop, np.eye(size, dtype=run.trace.state.dtype))


def growth(run, count=None, every=4, at=None, discard=0):
    """(times, logs (len(times), count)): ln of how far orthogonal perturbations have grown.

    From step `discard` to each of `times`, which go up in steps of `every` to T or are those of
    `at`; the perturbations turn into their places from step 0 on. A QR is taken at each time, at
    least every `every` steps, and wherever digits would be lost. -inf and nan as for `exponents`.
    """
    steps, size = len(run.trace.saved), run.trace.state.shape[2]
    times = np.array([*range(discard + every, steps, every), steps]) if at is None else np.array(at)
    units = np.eye(size)[:, :count]
    logs = _increments(_onwards(_wide(run)), units, [discard, *times], every)
    return times, np.cumsum(logs[1:], axis=0)


def exponents(run, count=None, every=None, discard=0):
    """The `count` largest Lyapunov exponents (count,) a step, in natural logarithms.

    Means over the steps after the first `discard`, in which perturbations turn into their places;
    a QR at least every `every` steps (default LONGEST), more often wherever digits would be lost,
    so that all of them add up to the mean ln|det J_t|. float32 passes are followed in float64.
    -inf for directions that are lost, exactly or within the rounding of a singular Jacobian; nan
    for those that the rounding of one Jacobian hides, and after a state that is not finite.
    Raises ValueError unless `discard` is a multiple of `every` (default 1) that leaves a step.
    """
    steps = len(run.trace.saved)
    if discard % (every or 1) or not 0 <= discard < steps:
        raise ValueError(f"discard={discard}: must be a multiple of {every or 1} below T = {steps}")
    _, logs = growth(run, count, every or LONGEST, [steps], discard)
    return logs[-1] / (steps - discard)


def _passed(net, x, h0):
    net = net.checked()
    if len(net.places) > 1:
        raise UserError(f"exponents are those of one layer in one direction, not of {net!r}")
    batch = Batch.of(net, x, h0, None)
    with np.errstate(over="ignore", invalid="ignore"):
        return Run.of(batch, np.arange(batch.x.shape[1])).chains[0].passed


def _checked(steps, discard, blocks):
    blocks = given.whole("blocks", blocks, "be a whole number from 2", 2)
    if discard is None:
        discard = steps // 10
    discard = given.whole("discard", discard, "be a whole number from 0", 0)
    if steps - discard < blocks:
        raise UserError(
            f"x has T = {steps} steps: {blocks} blocks after the first {discard} need at least "
            f"{discard + blocks}"
        )
    return discard, blocks


def _found(rates, size, determinant):
    """The record of the rates (B, blocks, k)."""
    samples, lanes = rates.reshape(-1, rates.shape[2]), rates.mean(axis=1)
    values = samples.mean(axis=0)
    order = np.argsort(-values, kind="stable")
    with np.errstate(invalid="ignore"):  # -inf is of no block, or of one
        errors = samples.std(axis=0, ddof=1) / len(samples) ** 0.5
    values = values[order]
    return Lyapunov(
        values, errors[order], _dimension(values, size), _entropy(values, size),
        float(values.mean()) if len(values) == size else np.nan, determinant, lanes[:, order],
        len(samples),
    )  # fmt: skip


def _dimension(values, size):
    """Kaplan and Yorke's dimension from falling exponents, nan if they do not tell."""
    if values[0] < 0:
        return 0.0
    sums = np.cumsum(values)
    below = np.flatnonzero(sums < 0)
    if not below.size:
        return float(size) if len(values) == size and not np.isnan(sums[-1]) else np.nan
    first = below[0]
    return float(first + sums[first - 1] / abs(values[first]))


def _entropy(values, size):
    """The sum of the positive ones of falling exponents, nan if they do not tell."""
    if np.isnan(values[0]) or (len(values) < size and values[-1] > 0):
        return np.nan
    return float(values[values > 0].sum())


def _rates(run, count, discard, blocks):
    """(blocks, count): ln of the growth a step in each of so many blocks of equal length."""
    steps, size = len(run.trace.saved), run.trace.state.shape[2]
    length, around = (steps - discard) // blocks, (steps - 2 * discard) // blocks
    # Units of their own would not find what others grow by where W leaves them apart.
    mixed = np.random.default_rng(0).standard_normal((size, count))
    Q = np.eye(size) if count == size else np.linalg.qr(mixed)[0]
    if 2 * count <= size and around:
        with suppress(_HiddenError):
            edges = discard + around * np.arange(blocks + 1)
            return _increments(_backwards(run), Q, edges, LONGEST)[:0:-1] / around
    edges = steps - length * np.arange(blocks, -1, -1)
    return _increments(_onwards(run), Q, edges, LONGEST)[1:] / length


def _log_determinant(run, start):
    """The mean of ln|det J_t|/S over the steps after `start`, nan if there are none."""
    steps, size = len(run.trace.saved), run.trace.state.shape[2]
    found = [jacobian(run, t, t + 1) for t in range(start, steps)]
    logs = [np.linalg.slogdet(J)[1] / size + exponent * np.log(2) for J, exponent in found]
    return np.mean(logs) if logs else np.nan


def _increments(step, Q, edges, longest):
    """(len(edges), k): ln of the growth from each edge to the next, the first from 0.

    step(Q, start, stop) -> (next Q, ln of the growth, what `_turn` says of the digits).
    """
    start, stride, found = 0, longest, []
    for edge in edges:
        logs = np.zeros(Q.shape[1])
        while start < edge:
            taken = min(stride, edge - start)
            turned, stretched, clear = step(Q, start, start + taken)
            if clear < ENOUGH and taken > 1:
                stride = taken // 2
                continue
            if clear > ENOUGH**0.5 and taken == stride:
                stride = min(2 * stride, longest)
            logs += stretched
            Q, start = turned, start + taken
        found.append(logs)
    return np.array(found)


def _onwards(run):
    """Steps of perturbations, from the first state on."""

    def step(Q, start, stop):
        product, exponent = jacobian(run, start, stop)
        turned, stretched, clear = _turn(product, Q)
        if clear < ENOUGH and stop - start == 1:
            stretched = _hidden(product, stretched)
        return turned, stretched + exponent * np.log(2), clear

    return step


class _HiddenError(Exception):
    """One Jacobian's transpose hides directions: its rows are not apart as those of W Q are."""


def _backwards(run):
    """Steps of adjoints, from the last state back."""
    steps = len(run.trace.saved)

    def step(Q, start, stop):
        rows = np.ascontiguousarray(Q.T)
        grown, exponent = through(run, steps - stop, steps - start, rows)
        turned, stretched, clear = _turn(grown.T)
        if clear < ENOUGH and stop - start == 1:
            raise _HiddenError
        return turned, stretched + exponent * np.log(2), clear

    return step


def through(run, start, stop, rows):
    """(product, exponent): rows (k, S) times dh_stop/dh_start = product * 2^exponent.

    nan where a state on the way is not finite, for ReLU's slope of nan would be 0; but for a linear
    cell, whose Jacobians know no state.
    """
    is_linear = getattr(run.weights, "activation", None) == IDENTITY
    if not (is_linear or np.isfinite(run.trace.state[start : stop + 1]).all()):
        return np.full_like(rows, np.nan), 0
    adjoint = bptt.back(run, np.full(len(rows), stop), rows, low=start)
    exponent = adjoint.exponent[start]
    level = exponent.max()
    return plain(adjoint.carry, (exponent - level)[:, None]), int(level)


def _turn(product, Q=None):
    """(next Q, ln|diag R|, min |R_jj| / ||product||) of product @ Q, or of the product alone.

    Rows go from the largest to the smallest: zero rows then leave zeros in R, and small ones keep
    their digits (Cox, Higham 1998). What is below the rounding of its row counts as zero.
    """
    size = np.abs(product).max(axis=1)
    order = np.argsort(-size, kind="stable")
    grown = product if Q is None else product @ Q
    turned, R = np.linalg.qr(grown[order])
    back, stretched = np.empty_like(turned), np.abs(np.diag(R))
    back[order] = turned
    column = (abs(product) if Q is None else abs(product) @ abs(Q)).max(axis=0)
    rounded = np.minimum(size[order][: len(stretched)], column)
    stretched[stretched < len(size) * EPS * rounded] = 0
    with np.errstate(divide="ignore"):
        return back, np.log(stretched), stretched.min() / (size.max() or 1)


def _hidden(product, logs):
    """ln|diag R| of all directions of one Jacobian, nan where they do not make up ln|det|."""
    if len(logs) < len(product) or np.isneginf(logs.min()):
        return logs
    if abs(logs.sum() - np.linalg.slogdet(product)[1]) < ENOUGH**0.5:
        return logs
    return np.where(logs < np.log(ENOUGH * np.abs(product).max()), np.nan, logs)


def _wide(value):
    """The same in float64, tuples in tuples: products and their QR then add no rounding."""
    if isinstance(value, tuple):
        parts = [_wide(one) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float64) if floating else value
