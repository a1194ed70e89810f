"""Random grids, parameters, arrays and files, most of them wrong, through every way in."""

import contextlib
import io
import math
import resource
import signal
import warnings
from collections import Counter

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import gradlab
from faults import children
from faults.tally import Tally
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.suite import library

WHAT = "bad input"
HOW = "random grids, parameters, arrays and files by Hypothesis, by the command line and Python"
EXAMPLES = (20, 1250)  # of each of the eight ways in
SECONDS = 60  # for one input: compiling is among it
ROOM = 3 * 2**30  # bytes of address space that a trial may take beyond what the process has

numbers = st.one_of(
    st.sampled_from([0, -1, 1, 2, 3, 5, 0.5, -0.5, 1e-320, 1e300, -1e300, 2**53, 2**63, 10**30,
                     math.nan, math.inf, -math.inf, 1e5, 10**7, 10**9]),
    st.integers(-3, 8),
    st.floats(-3, 3),
)  # fmt: skip
odd = st.one_of(
    st.none(), st.booleans(), st.text(max_size=6), st.binary(max_size=4), st.just(1j),
    st.just([]), st.just({}), st.just((1, 2)), st.just(object), st.just(np.float64(2)),
    st.just(np.int8(3)), st.just(np.array(3)), st.just(np.array([1.0, 2.0])),
    st.sampled_from(["elman", "lstm", "gru", "jordan", "tanh", "adam", "norm", "temporal_order",
                     "every", "last", "squared_error", "cross_entropy", "nothing", "gaussian"]),
)  # fmt: skip
anything = st.one_of(numbers, odd)
texts = st.one_of(
    st.sampled_from(["nan", "inf", "-1", "0", "1e400", "1,2", "1,,2", "0:1:3", "0:1:0", "a", "",
                     "0:1e300:5", "1:2:1e9", ":::", "-0.5:nan:2", "2,4,8", "0.5:1.5:21", "True",
                     "99999999999999999999", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "lstm"]),
    st.integers(-10, 10**10).map(str),
    st.floats().map(str),
    st.text(max_size=8).filter(lambda text: "\0" not in text),
)  # fmt: skip
NAMES = [*(n for n in library.names() if n not in ("speed", "cost", "models")), "nosuch"]
AXES = ["spectral_radius", "sequence_length", "seed", "hidden_size", "cell", "task", "layers",
        "dtype", "learning_rate", "updates", "clip_threshold", "activation", "init", "interval",
        "file", "column", "batch", "omega", "bidirectional", "nosuch", ""]  # fmt: skip
grids = st.tuples(
    st.sampled_from(NAMES), st.lists(st.tuples(st.sampled_from(AXES), texts), max_size=3)
)
DTYPES = ["float64", "float32", "float16", ">f8", "int8", "uint64", "bool", "complex128",
          "longdouble", "object", "U3", "M8[s]"]  # fmt: skip
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=4)


@st.composite
def arrays(draw, likely=None):
    """An array of an odd shape, dtype, order or content."""
    shape = likely if likely and draw(st.integers(0, 3)) else tuple(draw(shapes))
    values = np.random.default_rng(draw(st.integers(0, 9))).standard_normal(shape)
    if values.size and draw(st.booleans()):
        values.flat[draw(st.integers(0, values.size - 1))] = draw(
            st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 1e-310, 5.0])
        )
    kind = draw(st.sampled_from(DTYPES)) if draw(st.booleans()) else "float64"
    with np.errstate(all="ignore"):
        try:
            found = values.astype(kind)
        except (TypeError, ValueError):
            found = np.zeros(shape, kind)
    if draw(st.booleans()):
        found = np.asfortranarray(found)
    found.flags.writeable = draw(st.booleans())
    return found


def run(full, place):
    """As many examples of each way in; each ends well or by one line, in bounded time and room."""
    tally, outcomes = Tally(), Counter()
    for way in (_command, _toy, _network, _pass, _plan, _clip, _log, _model):
        _many(tally, outcomes, way.__name__[1:], EXAMPLES[full], *way(place))
    tally.figures |= {"right results": outcomes["fine"], "refused in one line": outcomes["told"]}
    return tally


def _many(tally, outcomes, name, count, strategy, call):
    @settings(max_examples=count, deadline=None, database=None, derandomize=True,
              phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def one(value):
        outcome, breaches = _tried(call, value)
        outcomes[outcome] += 1
        tally.trial(*(("wrong", f"{name} {value!r:.300}: {breach}") for breach in breaches))

    one()


def _tried(call, value):
    """(outcome, what is wrong with it)."""
    before = _frozen(value)
    try:
        with _bounded(), warnings.catch_warnings():
            warnings.simplefilter("error")
            call(value)
        outcome, found = "fine", []
    except UserError as error:
        outcome, found = "told", [] if str(error) and "\n" not in str(error) else [f"{error!r}"]
    except Slow:
        outcome, found = "slow", [f"not through in {SECONDS} s"]
    except MemoryError:
        outcome, found = "memory", ["memory was taken that was not predicted"]
    except Exception as error:
        outcome, found = "raised", [f"{type(error).__name__}: {error}"[:300]]
    if _frozen(value) != before:
        found = [*found, "its input was changed"]
    return outcome, found


class Slow(BaseException):
    """An input takes too long."""


@contextlib.contextmanager
def _bounded():
    def stop(*_):
        raise Slow

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="utf-8") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    previous = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, previous)


def _frozen(value):
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype, value.tobytes() if value.dtype != object else str(value)
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(one) for one in value]
    return repr(value)


def _said(*words):
    """A command line: raises what a wrong outcome of it would be."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as error:
            code = error.code
    lines = err.getvalue().splitlines()
    assert code in (0, 1, 2), f"exit code {code}"
    assert "Traceback" not in err.getvalue(), err.getvalue()
    if code == 2:
        assert len(lines) == 1 and lines[0].startswith("gradlab: "), err.getvalue()
        raise UserError(lines[0])


def _command(place):
    def call(value):
        name, values = value
        words = [word for pair in values for word in ("--set", "=".join(pair))]
        _said("run", name, "--quick", "--dry-run", "--results", str(place), *words)

    return grids, call


def _toy(place):
    """Runs that really run."""
    axes = st.sampled_from(["weight", "seed", "length", "gib", "broken_seed", "file", "nosuch"])

    def call(values):
        words = [word for pair in values for word in ("--set", "=".join(pair))]
        if any(name in ("seed", "weight") and (text.count(":") == 2) for name, text in values):
            words.append("--dry-run")
        _said("run", children.TOY, "--results", str(place / "toy"), *words)

    return st.lists(st.tuples(axes, texts), min_size=1, max_size=2), call


def _network(place):
    keys = st.sampled_from(["cell", "inputs", "hidden", "outputs", "activation", "init",
                            "spectral_radius", "input_scale", "forget_bias", "chrono", "layers",
                            "bidirectional", "seed", "dtype", "feedback"])  # fmt: skip

    def call(given):
        gradlab.Network.draw(**{"inputs": 2, "hidden": 3, "outputs": 2, **given})

    return st.dictionaries(keys, anything, max_size=3), call


def _pass(place):
    net = gradlab.Network.draw(inputs=2, hidden=3, outputs=2, seed=1)
    likely = {"x": (5, 3, 2), "y": (5, 3, 2), "h0": (3, 3), "lengths": (3,), "teacher": (5, 3, 2)}
    given = st.fixed_dictionaries(
        {"x": arrays(likely["x"]), "y": arrays(likely["y"])},
        optional={
            "h0": arrays(likely["h0"]), "lengths": arrays(likely["lengths"]) | anything,
            "loss": anything, "at": anything, "truncate": anything, "readout": anything,
        },
    )  # fmt: skip

    def call(value):
        got = net.gradients(**value)
        assert set(got.status) <= {"ok", "zero", "nan", "overflow", "not_connected"}
        assert got.lag_log2.shape[0] == len(value["x"]) + 1

    return given, call


def _plan(place):
    net = gradlab.Network.draw(inputs=6, hidden=3, outputs=4)
    keys = st.sampled_from(["task", "updates", "batch", "learning_rate", "optimizer", "schedule",
                            "clip_threshold", "clip_style", "clip_per", "truncate", "omega",
                            "log_every", "evaluate_every", "stop_below", "patience", "seed",
                            "sequence_length", "task_options", "optimizer_options"])  # fmt: skip

    def call(value):
        given = {"updates": 2, "batch": 2, "sequence_length": 10, **value}
        plan = gradlab.Plan(**given)
        if plan.updates > 50 or plan.batch > 50 or np.max(plan.sequence_length) > 200:
            return  # a right plan that takes long
        gradlab.train(net, "temporal_order", plan)

    return st.dictionaries(keys, anything, max_size=3), call


def _clip(place):
    gradients = st.one_of(arrays(), st.dictionaries(st.sampled_from("UWb"), arrays(), max_size=3),
                          anything)  # fmt: skip
    given = st.fixed_dictionaries(
        {"gradients": gradients, "threshold": anything},
        optional={"style": anything, "per": anything},
    )
    return given, lambda value: gradlab.clip(**value)


def _log(place):
    """Logs of norms: files of rubbish, and of nearly right lines."""
    words = st.sampled_from(["update", "norm", "loss", "1", "2", "nan", "inf", "1e400", "-3", "",
                             "a", '"', "{", "}", '{"norm": 1}', "[", "\0", "\xff"])  # fmt: skip
    lines = st.lists(st.lists(words, max_size=4).map(",".join), max_size=6).map("\n".join)
    content = st.one_of(lines.map(lambda text: text.encode("latin-1")), st.binary(max_size=60))

    def call(value):
        suffix, content = value
        path = place / f"log.{suffix}"
        path.write_bytes(content)
        gradlab.watch(path, threshold=1.0)

    return st.tuples(st.sampled_from(["csv", "jsonl", "parquet", "txt"]), content), call


def _model(place):
    """Files of weights: right ones with some bytes changed, and rubbish."""
    net = gradlab.Network.draw("gru", inputs=1, hidden=2, outputs=1)
    net.save(place / "net.safetensors")
    np.savez(place / "net.npz", **net.weights)
    right = {path.suffix: path.read_bytes() for path in place.glob("net.*")}
    changes = st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=3)),
                       min_size=1, max_size=4)  # fmt: skip
    suffixes = st.sampled_from([".safetensors", ".npz", ".onnx", ".pt", ".txt"])

    def call(value):
        suffix, edits, rubbish = value
        content = bytearray(b"" if rubbish is not None else right.get(suffix, right[".npz"]))
        content += rubbish or b""
        for where, change in edits if content else ():
            start = where % len(content)
            content[start : start + len(change)] = change
        path = place / f"model{suffix}"
        path.write_bytes(content)
        gradlab.Network.load(path)

    return st.tuples(suffixes, changes, st.none() | st.binary(max_size=80)), call
