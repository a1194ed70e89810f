"""gradlab inspect."""

import hashlib
import re
import time

from gradlab.commands import shared
from gradlab.errors import UserError
from gradlab.files import expanded

TEXT = "where the gradient of a model of yours vanishes or explodes, why, and what would help"
KEYS = """--json: name, network, notes, steps, sequences, of, share, bias, layers [{name, layer,
reverse, spectra {radius, singular, departure}, exponent, exponent_error, horizon {h, c}, window,
log10_at_start, saturated, gates {mean, closed, open, log}}], loss, threshold, rules [{name,
source, log10, verdict, is_share}], remedies [{name, before, after, what, cost, horizons, starts}],
advice; spectra of W, or of each gate's block of it, and gates by their names; the exponent in
natural logarithms a step; horizons and windows in steps"""

FLAGS = ("layer", "activation", "readout", "loss", "rate", "bias")  # where messages say layer=


def arguments(inspect):
    """Which model, what it is shown, what is tried, and where to."""
    inspect.add_argument("model", metavar="MODEL", help=".safetensors, .npz (no pickle) or .onnx")
    inspect.add_argument(
        "--layer", metavar="PREFIX", action="append",
        help="which recurrent network of the file; repeated: a stack, the lowest first",
    )  # fmt: skip
    inspect.add_argument("--activation", metavar="F", help="of an RNN: tanh unless given")
    inspect.add_argument("--readout", metavar="NAME", help="the linear layer after it")
    inspect.add_argument(
        "--inputs", metavar="FILE", help=".npy (T, B, D), or .csv, .parquet: a column an input"
    )
    inspect.add_argument("--targets", metavar="FILE", help=".npy, of every step or of the last")
    inspect.add_argument(
        "--batch-first", action="store_true", default=None, help="they are (B, T, ...)"
    )
    inspect.add_argument(
        "--loss", metavar="NAME", help="squared_error, cross_entropy or binary_cross_entropy"
    )
    inspect.add_argument("--needs", metavar="K", type=shared.positive, help="steps the task needs")
    inspect.add_argument(
        "--rate", metavar="R", type=shared.number, help="SGD's, for an update's size"
    )
    inspect.add_argument(
        "--bias", metavar="D", type=shared.number, default=0.1, help="tolerated of truncation: 0.1"
    )
    inspect.add_argument("--try", dest="attempt", action="store_true", help="measure remedies")
    inspect.add_argument("--name", metavar="NAME", help="of what --results writes: the model's")
    shared.add_results(inspect, default=None, text="write DIR/NAME.parquet, .png and .json as well")
    shared.add_json(inspect)


def command(options):
    """One screen."""
    from gradlab.inspecting.inspected import inspect

    name = _name(options) if options.results else None
    begun = time.monotonic()
    seen = _told_in_flags(
        inspect, options.model, options.inputs, options.targets, options.loss,
        layer=_layer(options.layer), activation=options.activation, readout=options.readout,
        batch_first=options.batch_first, needs=options.needs, rate=options.rate, bias=options.bias,
        progress=not options.json,
    )  # fmt: skip
    if options.attempt:
        seen.attempt()
    if options.json:
        shared.print_json(seen.record)
    else:
        print(shared.as_flags(seen.text, FLAGS))
    if options.results:
        _keep(options, seen, name, time.monotonic() - begun)
    return shared.FINE


def _told_in_flags(work, *given, **options):
    try:
        return work(*given, **options)
    except UserError as error:
        raise UserError(shared.as_flags(str(error), FLAGS)) from None


def _keep(options, seen, name, seconds):
    """The table, the figure and where they come from."""
    from gradlab import runner
    from gradlab.suite import library, provenance, tell

    form, frame = library.load("inspect"), seen.table
    content = provenance.describe(form, frame, [{**provenance.origin(), "seconds": seconds}])
    axes = {axis: sorted(set(frame[axis].tolist())) for axis in form.axes}
    with tell.aloud(not options.json):
        runner.keep(form, frame, options.results, name, {
            **content, "grid": [axes], "constants": _given(options, seen),
        })  # fmt: skip


def _given(options, seen):
    """What was asked for, and digests of what was read: names of files without their places."""
    files = {key: getattr(options, key) for key in ("model", "inputs", "targets")}
    found = {key: expanded(path) for key, path in files.items() if path}
    said = {key: path.name for key, path in found.items()}
    said |= {f"{key}_sha256": _digest(path) for key, path in found.items()}
    return said | {
        "layer": options.layer, "loss": seen.loss, "share": seen.share, "bias": seen.bias,
        "steps": seen.steps, "sequences": seen.lanes, "notes": list(seen.notes),
    }  # fmt: skip


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(options):
    """A name for the run. Raises UserError, before a model is measured, for one that is taken."""
    from gradlab.suite import runs

    return runs.named(options.name or re.sub(r"[^\w-]+", "_", expanded(options.model).stem))


def _layer(names):
    return names[0] if names and len(names) == 1 else names
