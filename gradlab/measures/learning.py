"""What becomes of a network when it learns: one row a training, or one an update."""

import functools
import math
import time

import numpy as np

from gradlab import tasks, underway
from gradlab.errors import UserError, one_of
from gradlab.learning import fields, presets, records
from gradlab.learning.omega import omega
from gradlab.learning.optimizers import optimizer
from gradlab.learning.plan import Plan
from gradlab.learning.training import DIVERGED, RUNNING, Training
from gradlab.measures import pace
from gradlab.measures.setting import NETWORK
from gradlab.nets import draws
from gradlab.nets.flossing import flossing
from gradlab.nets.network import Network

DRAWN = ("activation", "init", "spectral_radius", "input_scale", "forget_bias", "chrono", *NETWORK)
STRIDE = 200  # updates between two looks at the clock
PROBE = 200  # fresh sequences on which the gradient by lag is measured
FLOSSED = 10  # fresh sequences over which exponents are averaged
AT_ONCE = 100_000  # steps of fresh sequences that are judged at a time
PLANNED = {
    "sequence_length", "updates", "batch", "learning_rate", "optimizer", "schedule", "clip_style",
    "clip_per", "omega", "evaluate_every", "evaluation_size", "stop_below", "seed",
}  # fmt: skip
METHODS = {"sgd": (False, False), "clipped": (True, False), "regularised": (True, True)}
COURSE = ("mean_loss", "mean_norm", "share_clipped", "spectral_radius_now", "error")
CURVES = (
    "loss", "mean_loss", "norm_before", "norm_after", "mean_norm", "clipped", "share_clipped",
    "not_finite", "share_not_finite", "cosine", "spectral_radius_now", "singular_value",
    "omega_value", "horizon", "log10_gradient_ratio", "error",
)  # fmt: skip
COLUMNS = {
    # of `outcome`
    "solved": "1 if an evaluation had less than stop_below wrong, else 0",
    "updates_done": "updates until it was solved, diverged, or its budget was spent",
    "relative_loss": "mean loss of the last tenth of the updates over the best blind guess's",
    "mean_norm": "mean norm of the gradient before clipping; `curves`: since the last row",
    "median_norm": "median norm of the gradient over the updates",
    "largest_norm": "largest norm of the gradient over the updates",
    "decades_per_step": "of ||dL/dh|| on its way back at the first update, median over the batch",
    "first_radius": "spectral radius of W after the first update",
    "last_radius": "spectral radius of W after the last update",
    "last_loss": "mean loss of the last tenth of the updates",
    # of `reproduced`
    "version": "of Pascanu, Mikolov and Bengio's settings: icml2013, arxiv_v2 or code",
    "start": "of the weights: sigmoid, basic_tanh or smart_tanh, see gradlab.learning.presets",
    "method": "sgd; clipped; or regularised, which is clipped and with Omega",
    # of `flossed`
    "exponents": "so many of the largest Lyapunov exponents are brought to 0; 0: no flossing",
    "flossing_updates": "updates of gradient flossing before the training",
    "flossing_rate": "learning rate of flossing, with Adam",
    "largest_before": "largest exponent of ten sequences, before flossing, mean (1/step)",
    "largest_after": "the same after it, before the training",
    "last_before": "the smallest of the exponents that are moved (of one: the largest)",
    "last_after": "the same after it, before the training",
    # of `generalised`
    "shortest": "length of the shortest sequences of the training (steps)",
    "longest": "length of the longest sequences of the training (steps)",
    "test_length": "length of the fresh sequences judged at the end; 0: the training's own lengths",
    # of `curves`
    "loss": "of the update's minibatch; `lags`: of the fresh sequences",
    "mean_loss": "mean loss since the last row",
    "norm_before": "norm of the gradient before clipping",
    "norm_after": "norm of the gradient after clipping",
    "clipped": "share of what clip_per counts that was clipped at this update",
    "share_clipped": "share that was clipped, over the updates since the last row or in all",
    "not_finite": "share whose norm is inf or nan, so that no rule can clip it",
    "share_not_finite": "the same over the updates since the last row or in all",
    "cosine": "between the step that was wanted, -dL/dw, and the one that was made",
    "horizon": "steps back over which ||dL/dh_t||^2 >= 1e-20, mean over lanes (steps)",
    "log10_gradient_ratio": "log10 of ||dL/dh_0|| / ||dL/dh_T||, median over lanes (decades)",
    "spectral_radius_now": "spectral radius of W after the update",
    "singular_value": "largest singular value of W after the update",
    "omega_value": "Omega of the minibatch; `lags`: of the fresh sequences",
    # of `lags`
    "lag": "steps before the last one",
    "log10_gradient": "log10 of ||dL/dh_{T-lag}|| / ||dL/dh_T||, median over 200 fresh sequences",
}
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise
RENAMED = {"spectral_radius": "spectral_radius_now", "omega": "omega_value"}


def outcome(block):
    """One row a training: solved, updates_done, diverged, relative_loss and more of COLUMNS.

    A threshold that no norm has reached changed nothing: such a training is not run again.
    """
    points = [point_of(block, i) for i in range(len(block))]
    rows = [None] * len(points)
    done = {}  # what is the same but for the threshold -> the last row, of a larger one
    for i in sorted(range(len(points)), key=lambda i: -points[i]["clip_threshold"]):
        others = tuple((k, v) for k, v in sorted(points[i].items()) if k != "clip_threshold")
        rows[i] = done.get(others)
        if rows[i] is None or not _spared(points[i], rows[i]):
            rows[i] = done[others] = _outcome(points[i])
    return columns_of(rows)


def reproduced(block):
    """One row a training in a version of Pascanu, Mikolov and Bengio's: the columns of `outcome`.

    version and start: see gradlab.learning.presets. method: sgd, clipped, or regularised, which is
    clipped with Omega.
    """
    rows = [_outcome(point_of(block, i)) for i in range(len(block))]
    return columns_of(rows)


def flossed(block):
    """One row a training after gradient flossing: the columns of `outcome`, and its exponents.

    exponents    so many of the largest are brought towards 0 before the training; 0: none
    The updates of flossing count as the training's, in its budget and in updates_done.
    """
    rows = [_flossed(point_of(block, i)) for i in range(len(block))]
    return columns_of(rows)


def _flossed(point):
    count, budget = point["exponents"], point["updates"]
    spent = point["flossing_updates"] if count else 0
    if spent >= budget:
        raise UserError(f"flossing_updates={spent}: must be below the budget of {budget}")
    training = _training(point, log_every=budget, updates=budget - spent)
    stream = draws.stream(seed=point["seed"], purpose="flossing")
    x = training.fresh(stream, FLOSSED)[0]
    before = _exponents(training.net, x, count)
    _floss(training, stream, spent, point)
    after = _exponents(training.net, x, count)
    named = zip(("largest", "last"), (0, -1), strict=True)
    found = {f"{n}_{w}": e[i] for n, i in named for w, e in (("before", before), ("after", after))}
    row = _summary(point, run(point, training)) | found
    return row | {"updates_done": row["updates_done"] + spent}


def _floss(training, stream, updates, point):
    """Adam on the squares of the exponents, along another fresh sequence at each update."""
    W, kind = training.net.weights["W"], optimizer("adam")
    slots = np.zeros((len(kind.slots), W.size))
    for number in range(1, updates + 1):
        x = training.fresh(stream, 1)[0][:, 0]
        slope = flossing(training.net, x, point["exponents"]).slope
        W -= kind.step(slope.ravel(), slots, point["flossing_rate"], number).reshape(W.shape)
        underway.did(1)


def _exponents(net, x, count):
    """The `count` largest exponents, at least one: means over the lanes of x."""
    lanes = np.moveaxis(x, 1, 0)
    return np.mean([flossing(net, lane, max(count, 1)).exponents for lane in lanes], axis=0)


def curves(block):
    """One row an update of the block's training, its axis `update`: see gradlab.learning.records.

    spectral_radius_now and omega_value are those of the update (the grid's are the start and the
    factor); loss and norms are nan after the end.
    """
    points = [point_of(block, i) for i in range(len(block))]
    wanted = [point.pop("update") for point in points]
    table = _trained(points, max(wanted), wanted).table()
    table = table.rename(columns=RENAMED)
    table = table.drop_duplicates("update", keep="last").set_index("update")
    ended = table.status.iloc[-1]
    columns = {name: table[name].reindex(wanted).to_numpy() for name in CURVES}
    status = table.status.reindex(wanted).fillna(ended).replace({"finished": "ok"})
    return columns | {"status": status.to_numpy()}


def generalised(block):
    """One row an update of the block's training, and one a length at its end: see `reproduced`.

    The lengths of its minibatches are drawn from shortest to longest. test_length 0: the columns of
    `curves` at the axis `update`, nan after the end. Else, at the last update (nan at others): the
    error of the network at the end on evaluation_size fresh sequences of that length.
    """
    points = [point_of(block, i) for i in range(len(block))]
    asked = [(point.pop("update"), point.pop("test_length")) for point in points]
    _check_one(points)
    point, budget = points[0], max(update for update, _ in asked)
    lengths = point.pop("shortest"), point.pop("longest") + 1
    point |= {"sequence_length": lengths, "updates": budget}
    training = run(point, _training(point, log_every=point["evaluate_every"]))
    course = {(row["update"], 0): _of_course(row) for row in training.rows}
    ends = {(u, k): _at_length(training, k) for u, k in asked if k and u == budget}
    rows = [(course | ends).get(one, _of_course({})) for one in asked]
    ended = "ok" if training.status == "finished" else training.status
    return columns_of(rows) | {"status": np.full(len(rows), ended)}


def _of_course(row):
    """The columns COURSE of a training's row; nan where there is none."""
    old = {new: name for name, new in RENAMED.items()}
    return {name: row.get(old.get(name, name), math.nan) for name in COURSE}


def _at_length(training, length):
    """The error on fresh sequences of one length; the other columns of COURSE are nan."""
    plan, task = training.plan, training.task
    stream = draws.stream(seed=plan.seed, purpose="generalisation", test_length=length)

    def sample(count):
        return task.sample(stream, length, count, **plan.task_options)

    most = max(1, min(records.CHUNK, AT_ONCE // length))
    sizes = [min(most, plan.evaluation_size - i) for i in range(0, plan.evaluation_size, most)]
    errors = [records.evaluation(training.net, task, sample, size)[0] for size in sizes]
    return dict.fromkeys(COURSE, math.nan) | {"error": float(np.average(errors, weights=sizes))}


def lags(block):
    """One row an update and a lag of the block's training, its axes `update` and `lag`.

    log10_gradient (nan beyond the sequence), loss, error and Omega (as gradlab.learning.omega
    defines it) are taken on PROBE fresh sequences, the same at each update (0: before the first).
    """
    points = [point_of(block, i) for i in range(len(block))]
    asked = [(point.pop("update"), point.pop("lag")) for point in points]
    _check_one(points)
    end = max(update for update, _ in asked)
    training = _training(points[0] | {"updates": max(end, 1)}, log_every=max(end, 1))
    stream = draws.stream(seed=points[0]["seed"], purpose="gradient by lag")
    x, y = training.fresh(stream, PROBE)
    found = {}
    for update in sorted({update for update, _ in asked}):
        if update:
            training.run(until=update)
        found[update] = _by_lag(training, x, y)
    rows = [
        found[update][0] | {"log10_gradient": _reached(found[update][1], lag)}
        for update, lag in asked
    ]
    return columns_of(rows)


def _reached(logs, lag):
    """The gradient at a lag; nan where the sequence is shorter."""
    return logs[lag] if lag < len(logs) else math.nan


def _by_lag(training, x, y):
    net, task = training.net, training.task
    logs = net.gradients(x, y, loss=task.LOSS, at=task.AT).lag_log2[::-1] * math.log10(2)
    error, loss = records.evaluation(net, task, lambda _: (x, y), PROBE)
    now = {RENAMED.get(name, name): value for name, value in records.of_weights(net).items()}
    now |= {"omega_value": omega(net, x, y, task.LOSS, task.AT).value, "error": error, "loss": loss}
    with np.errstate(invalid="ignore"):  # a gradient of 0 at the end
        return now, np.median(logs - logs[0], axis=1)


def estimate(block):
    """(seconds, bytes) of one worker: updates, evaluations and rows, see gradlab.measures.pace.

    A training that may stop when it is solved is taken for four fifths of its budget.
    """
    points = [point_of(block, i) for i in range(len(block))]
    looks = {point["update"] for point in points if "update" in point}
    if looks:
        tested = {point.get("test_length", 0) for point in points}
        own = {"updates": int(max(looks)), "rows": len(looks), "tested": sum(tested)}
        points = [points[0] | own]
    costs = [_cost(point) for point in points]
    return sum(seconds for seconds, _ in costs), 64 * max(values for _, values in costs) + 2**24


def _cost(point):
    """(seconds of a training, values of its minibatch's states)."""
    if "version" in point:
        regularised = {"omega": 1.0} if METHODS.get(point["method"], (0, 0))[1] else {}
        own = {"cell": "elman", "hidden_size": presets.HIDDEN, "batch": presets.BATCH}
        point = own | point | regularised
    if "shortest" in point:
        point = point | {"sequence_length": (point["shortest"] + point["longest"]) // 2}
    inputs, outputs = tasks.sizes(point["task"], tasks.options(point["task"], point))
    steps, hidden, updates = (point[k] for k in ("sequence_length", "hidden_size", "updates"))
    load = pace.Load(point["cell"], steps, point["batch"], inputs, hidden, outputs)
    rule = {k: point[k] for k in ("optimizer", "omega", "clip_per") if k in point}
    seconds = updates * (pace.MINIBATCH + pace.update(load, **rule))
    if every := point.get("evaluate_every", 0):
        evaluation = load._replace(lanes=point["evaluation_size"])
        seconds += updates // every * pace.look(evaluation)
    chains = point.get("layers", 1) * (1 + point.get("bidirectional", False))
    seconds *= chains
    if point.get("stop_below") is not None:
        seconds *= pace.SOLVED_EARLY
    rows = point.get("rows", 2) * pace.row(load)
    if point.get("exponents"):
        rows += point["flossing_updates"] * steps * pace.floss(hidden, point["exponents"])
    if "lag" in point:
        rows += point["rows"] * 2 * pace.update(load._replace(lanes=PROBE), omega=1.0)
    if "test_length" in point:
        rows += pace.look(load._replace(steps=point["tested"], lanes=point["evaluation_size"]))
    return seconds + rows, chains * math.prod(load[1:3]) * hidden


def columns_of(rows):
    """{name: values} of a list of rows."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def point_of(block, i):
    return {name: values[i].item() for name, values in block.points.items()} | block.constants


def _spared(point, row):
    """Whether the training with a larger threshold, its row, is this one's bit by bit."""
    rule = (point["clip_style"], point["clip_per"])
    return rule == ("norm", "mean") and row["largest_norm"] < point["clip_threshold"]


def _training(point, **changes):
    task, options = tasks.find(point["task"]), tasks.options(point["task"], point)
    inputs, outputs = tasks.sizes(point["task"], options)
    if "version" in point:
        sizes = inputs, presets.HIDDEN, outputs
        net = presets.start(point["start"], point["version"], sizes, point["seed"])
        return Training(net, task, _preset(point, options, changes))
    net = Network.draw(
        inputs=inputs, hidden=point["hidden_size"], outputs=outputs, seed=point["seed"],
        **{name: point[name] for name in DRAWN if name in point},
    )  # fmt: skip
    plan = {name: point[name] for name in PLANNED if name in point}
    plan |= {"clip_threshold": fields.unless_infinite(point["clip_threshold"])}
    return Training(net, task, Plan(point["task"], task_options=options, **(plan | changes)))


def _preset(point, options, changes):
    """A version's plan, with what the method leaves out."""
    plan = {name: point[name] for name in PLANNED if name in point} | changes
    is_clipped, is_regularised = METHODS[one_of("method", point["method"], METHODS)]
    plan |= {} if is_clipped else {"clip_threshold": None}
    plan |= {} if is_regularised else {"omega": 0.0}
    length = plan.pop("sequence_length")
    return presets.plan(point["version"], point["task"], length, task_options=options, **plan)


def _outcome(point):
    return _summary(point, run(point, _training(point, log_every=point["updates"])))


def _summary(point, training):
    """What became of a training: the columns of `outcome`."""
    table = training.table()
    losses, norms = np.array(training.losses), np.array(training.norms)
    end = end_loss(losses)
    relative = end / _chance(training, point, losses)
    lost = training.status == DIVERGED or not relative <= 2
    errors = table.error.dropna()
    first, last = table.iloc[0], table.iloc[-1]
    return {
        "solved": float(training.status == "solved"),
        "updates_done": training.update,
        "diverged": float(lost),
        "relative_loss": relative,
        "share_clipped": float(np.mean(training.shares)),
        "share_not_finite": float(np.mean(training.lost)),
        "mean_norm": norms.mean(),
        "median_norm": np.median(norms),
        "largest_norm": norms.max(),
        "decades_per_step": first.log10_gradient_ratio / point["sequence_length"],
        "first_radius": first.spectral_radius,
        "last_radius": last.spectral_radius,
        "last_loss": end,
        "error": errors.iloc[-1] if len(errors) else math.nan,
    }


def end_loss(losses):
    """The mean loss of the last tenth of the updates."""
    return losses[-max(1, len(losses) // 10) :].mean()


def run(point, training):
    """The training at its end: kept as it goes, and taken up where an earlier run left it."""
    file = underway.file(point)
    if file is not None and file.exists():
        training = _taken_up(file, training)
    kept = time.monotonic()
    while training.status == RUNNING and training.update < training.plan.updates:
        before = training.update
        training.run(until=before + STRIDE)
        underway.did(training.update - before)
        if file is not None and time.monotonic() - kept > underway.keep_every():
            training.save(file)
            kept = time.monotonic()
    return training


def status_of(training):
    """The status of the rows of a training that nothing stops but its budget and its divergence.

    One that `patience` has stopped has rows as good as others.
    """
    return DIVERGED if training.status == DIVERGED else "ok"


def _taken_up(file, training):
    """The kept training, if it is of this plan and can be read; else the new one."""
    try:
        kept = Training.load(file, training.task)
    except (UserError, OSError, ValueError, KeyError):
        return training
    return kept if kept.plan == training.plan else training


def _chance(training, point, losses):
    """What the best guess costs that does not look at the input; the first loss where unknown."""
    task = training.task
    if not hasattr(task, "baseline"):
        return losses[0]
    outputs = {"outputs": len(training.net.weights["c"])} if hasattr(task, "sizes") else {}
    return task.baseline(point["sequence_length"], **outputs)


def _check_one(points):
    if any(point != points[0] for point in points):
        raise UserError("one training a block: split the grid by all axes but update and lag")


def _trained(points, end, wanted):
    _check_one(points)
    every = functools.reduce(math.gcd, [number for number in wanted if number > 1], 0)
    point = points[0] | {"updates": max(end, 1)}
    return run(point, _training(point, log_every=max(every, 1)))
