"""Arrays in .safetensors files: the bytes of the format, and files that are not whole."""

import hashlib
import json
import os
import tracemalloc

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.models import safetensors

ARRAYS = {
    "weight": np.arange(6.0).reshape(2, 3) / 7,
    "half": np.array([1.5, np.inf], np.float16),
    "single": np.float32([[np.nan]]),
    "count": np.int64(2**40),
    "none": np.zeros((0, 4)),
    "mask": np.array([True, False]),
}


def test_what_is_written_is_read(tmp_path):
    safetensors.write(tmp_path / "a.safetensors", ARRAYS, {"told": "text"})
    found, metadata = safetensors.read(tmp_path / "a.safetensors")
    assert metadata == {"told": "text"} and list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_bytes_are_the_format_s(tmp_path):
    """A file as the format's page describes it, made here by hand."""
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + bytes([0x80, 0x3F, 0x20, 0xC0])
    (tmp_path / "b.safetensors").write_bytes(content)
    found, _ = safetensors.read(tmp_path / "b.safetensors")
    assert found["x"].dtype == np.float32
    np.testing.assert_array_equal(found["x"], [1.0, -2.5])  # 0x3f80 and 0xc020, widened
    safetensors.write(tmp_path / "c.safetensors", {"x": np.float32([1, 2])})
    content = (tmp_path / "c.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    entry, digest = header["x"], header["__metadata__"]["gradlab.sha256"]
    blank = content.replace(digest.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == digest
    assert entry == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} and size % 8 == 0
    assert content[8 + size :] == np.float32([1, 2]).tobytes()


def test_broken_files_are_told_in_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    safetensors.write(path, ARRAYS)
    whole = path.read_bytes()
    wrong = [
        b"", whole[:20], whole[:-1], b"PK\x03\x04" + whole, whole[:8] + b"x" + whole[9:],
        whole.replace(b"F64", b"F65"), whole.replace(b'"shape": [2, 3]', b'"shape": [3, 3]'),
    ]  # fmt: skip
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is no \.safetensors file") as caught:
            safetensors.read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="No such file"):
        safetensors.read(tmp_path / "missing.safetensors")


def test_every_flipped_bit_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    safetensors.write(path, {"W": np.array([0.5, 2.0])}, {"gradlab.training": "text"})
    whole = path.read_bytes()
    with open(path, "rb+", buffering=0) as file:
        for bit in range(8 * len(whole)):
            place = bit // 8
            os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << bit % 8]), place)
            with pytest.raises(UserError, match=r"a\.safetensors is no \.safetensors file"):
                safetensors.read(path)
            os.pwrite(file.fileno(), whole[place : place + 1], place)
    assert safetensors.read(path)[1] == {"gradlab.training": "text"}


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape=(2,), kind="F32", start=0, stop=8):
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, stop]}


LIES = {
    "twice": (b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), "a comes twice"),
    "overlap": ({"a": entry(), "b": entry((1,), start=4)}, "where 8 would be next"),
    "gap": ({"a": entry((1,), start=4)}, "where 0 would be next"),
    "rest": ({"a": entry((1,), stop=4)}, "of which its header knows 4"),
    "beyond": ({"a": entry((4,), stop=16)}, "of which its header knows 16"),
    "shape": ({"a": entry((3,))}, "for F32 of shape"),
    "negative": ({"a": entry((-2, -1))}, "whole numbers from 0"),
    "truth": ({"a": entry((2, True))}, "whole numbers from 0"),
    "fraction": ({"a": entry(stop=8.0)}, "whole numbers from 0"),
    "vast": ({"a": entry((2**40, 2**40))}, "for F32 of shape"),
    "nothing": ({"a": entry((0, 2**70), stop=0), "b": entry()}, "."),
    "deep": (b"[" * 500_000, "."),
    "digits": (b'{"a":' + b"9" * 9999 + b"}", "."),
    "list": (b"[]", "."),
    "metadata": ({"__metadata__": {"a": 1}, "a": entry()}, "no texts"),
    "kind": ({"a": entry(kind=["F32"])}, "."),
    "escape": ({"\x1b[2J": entry((3,))}, r"\\x1b\[2J"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_told_in_one_line(tmp_path, lie):
    header, said = LIES[lie]
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(header, bytes(8)))
    with pytest.raises(UserError, match=rf"is no \.safetensors file: .*{said}") as caught:
        safetensors.read(path)
    assert str(caught.value).isprintable()


def test_a_long_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    with open(path, "wb") as file:
        file.write((2**40).to_bytes(8, "little"))
        file.truncate(2**41)  # sparse: it takes no room
    tracemalloc.start()
    with pytest.raises(UserError, match="a header of 1099511627776 bytes, at most"):
        safetensors.read(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_an_array_is_read_when_it_is_asked_for(tmp_path):
    path = tmp_path / "a.safetensors"
    header = file_of({"a": entry(), "big": entry((2**37,), start=8, stop=8 + 2**39)})
    with open(path, "wb") as file:
        file.write(header + np.float32([1, 2]).tobytes())
        file.truncate(len(header) + 8 + 2**39)
    found, _ = safetensors.look(path)
    assert found["big"].shape == (2**37,) and found["big"].kind == "float32"
    np.testing.assert_array_equal(found["a"].read(), [1, 2])
    path.write_bytes(header)
    with pytest.raises(UserError, match="cut meanwhile"):
        found["a"].read()


def of_package(package, path):
    try:
        return package.load_file(path)
    except Exception:
        return None


def of_ours(path):
    try:
        return safetensors.read(path)[0]
    except UserError:
        return None


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        one.dtype == theirs[name].dtype and one.tobytes() == theirs[name].tobytes()
        for name, one in ours.items()
    )


def test_the_package_reads_what_is_written_and_refuses_nothing_that_is_read(tmp_path):
    """safetensors' own reader on each file cut short, and with each bit of its header flipped."""
    package = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    safetensors.write(path, ARRAYS, {"told": "text"})
    assert same(of_ours(path), package.load_file(path))
    package.save_file({"a": ARRAYS["weight"], "b": ARRAYS["half"]}, path)
    whole = path.read_bytes()
    assert same(of_ours(path), package.load_file(path))
    size = 8 + int.from_bytes(whole[:8], "little")
    flipped = [
        whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
        for bit in range(8 * size)
    ]
    read = 0
    for content in [whole[:i] for i in range(len(whole))] + flipped:
        path.write_bytes(content)
        ours = of_ours(path)
        if ours is not None:
            read += 1
            theirs = of_package(package, path)
            assert theirs is None or same(ours, theirs)
            assert theirs is not None, content[:size]
    assert 0 < read < len(flipped) / 4  # a name may change unseen
