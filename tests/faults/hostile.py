"""Files that want to be believed: nothing in them runs, and they take little room."""

import contextlib
import os
import pickle
import random
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import test_models_refused as refused
import test_watch

import gradlab
from faults.tally import Tally, wrong
from gradlab.errors import UserError
from gradlab.tasks import series

WHAT = "hostile files"
HOW = "pickles, lying headers, `../` in names, rubbish of a notebook's size, decompression bombs"
COUNT = (60, 3000)
ROOM = 200 * 2**20  # bytes that Python may take for one of them


class Attack:
    """What runs if it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def run(full, place):
    """Ready attacks of the test suite, then headers that lie at random and files of rubbish."""
    tally, rng = Tally(), random.Random(3)
    _known(tally, place)
    mark = place / "it ran"
    for path in _pickles(place, mark):
        _refused(tally, path, gradlab.Network.load)
    for number in range(COUNT[full]):
        path = place / f"lie{number}.safetensors"
        path.write_bytes(_lying(rng))
        _refused(tally, path, gradlab.Network.load, must=False)
        path.unlink()
    for path in _rubbish(place, rng, 2 if not full else 40):
        _refused(tally, path, gradlab.watch, must=False)
        _refused(tally, path, lambda path: series.sample(
            np.random.default_rng(0), 3, 1, str(path), "a"), must=False)  # fmt: skip
        _refused(tally, path, gradlab.Network.load)
    tally.trial(wrong(not mark.exists(), "a pickle ran"))
    outside = [path for path in place.parent.glob("passwd*")]
    tally.trial(wrong(not outside, f"written outside: {outside}"))
    return tally


def _known(tally, place):
    """The suite's own bombs and lies, each in a folder of its own."""
    entries = [(refused.test_an_entry_that_lies_is_told, case) for case in refused.ENTRIES]
    others = [
        refused.test_ten_gigabytes_of_zeros_are_refused_before_they_are_taken,
        refused.test_an_array_of_objects_is_no_pickle_that_is_opened,
        refused.test_names_lead_nowhere,
        refused.test_an_encrypted_archive_is_told,
    ]
    import warnings

    for test, *more in [*entries, *((one,) for one in others)]:
        folder = Path(tempfile.mkdtemp(dir=place))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a name comes twice is the point
            _passes(tally, test, folder, *more)
    with contextlib.chdir(place):
        _passes(tally, test_watch.test_a_parquet_bomb_is_refused_before_it_is_unpacked)


def _passes(tally, test, *arguments):
    try:
        test(*arguments)
    except (Exception, pytest.fail.Exception) as error:
        tally.trial(("wrong", f"{test.__name__}: {error!r}"))
    else:
        tally.trial()


def _pickles(place, mark):
    content = pickle.dumps(Attack(mark))
    for suffix in ("npz", "safetensors", "onnx", "pt", "pth", "pkl", "bin", "ckpt", "txt"):
        path = place / f"attack.{suffix}"
        path.write_bytes(content)
        yield path
    for name in ("weight_hh_l0.npy", "archive/data.pkl", "../../passwd.npy"):
        path = place / "attack.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
        yield path
    objects = np.empty(1, object)
    objects[0] = Attack(mark)
    np.savez(place / "objects.npz", U=objects, W=objects)
    yield place / "objects.npz"


def _lying(rng):
    """A header whose numbers, names and sizes are drawn, and some bytes behind it."""
    import json

    numbers = [0, 1, -1, 8, 24, 2**31, 2**62, 10**40, 1.5, "8", None, [1], True]
    names = ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0", "../../passwd", "__metadata__", "U",
             "\0", "a" * 5000]  # fmt: skip
    entry = lambda: {  # noqa: E731
        "dtype": rng.choice(["F64", "F32", "BF16", "I8", "O", "F8_E4M3", 3, None]),
        "shape": [rng.choice(numbers) for _ in range(rng.randrange(4))],
        "data_offsets": [rng.choice(numbers) for _ in range(rng.choice([2, 2, 2, 1, 3]))],
    }
    header = {rng.choice(names): rng.choice([entry(), entry(), 3, [], "x"]) for _ in range(3)}
    text = json.dumps(header).encode()
    size = rng.choice([len(text)] * 4 + [0, 2**40, 2**63, len(text) - 1, len(text) + 9])
    return size.to_bytes(8, "little") + text + rng.randbytes(rng.randrange(64))


def _rubbish(place, rng, count):
    """Files of megabytes: one line, only commas, only quotes, deep brackets, random bytes."""
    makers = [
        lambda n: b"a" * n, lambda n: b"," * n, lambda n: b'"' * n, lambda n: b"[" * n,
        lambda n: b'{"a":' * (n // 5), lambda n: b"a\n" + b"1e999999\n" * (n // 9),
        lambda n: rng.randbytes(n), lambda n: b"a,b\n" + b"1,2,3,4,5\n" * (n // 10),
        lambda n: b"a\n" + b"9" * n, lambda n: b"\n" * n, lambda n: b"\0" * n,
    ]  # fmt: skip
    for make in makers[: len(makers) if count > 2 else 4]:
        for suffix in ("csv", "jsonl", "parquet", "toml"):
            path = place / f"rubbish.{suffix}"
            path.write_bytes(make(2_000_000 if count > 2 else 300_000))
            yield path


def _refused(tally, path, read, must=True):
    """In one line, within the room; must: it may not be read as anything."""
    tracemalloc.start()
    try:
        read(path)
        breach = wrong(not must, f"{path.name} was read")
    except UserError as error:
        breach = wrong("\n" not in str(error), f"{path.name}: {error}")
    except Exception as error:
        breach = ("wrong", f"{path.name}: {type(error).__name__}: {str(error)[:200]}")
    room = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    tally.trial(breach, wrong(room < ROOM, f"{path.name} took {room / 2**20:.0f} MiB"))
