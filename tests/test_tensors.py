"""Arrays in .safetensors files: the bytes of the format, and files that are not whole."""

import hashlib
import json
import os

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.nets import files

ARRAYS = {
    "weight": np.arange(6.0).reshape(2, 3) / 7,
    "half": np.array([1.5, np.inf], np.float16),
    "single": np.float32([[np.nan]]),
    "count": np.int64(2**40),
    "none": np.zeros((0, 4)),
    "mask": np.array([True, False]),
}


def test_what_is_written_is_read(tmp_path):
    files.write(tmp_path / "a.safetensors", ARRAYS, {"told": "text"})
    found, metadata = files.read(tmp_path / "a.safetensors")
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
    found, _ = files.read(tmp_path / "b.safetensors")
    assert found["x"].dtype == np.float32
    np.testing.assert_array_equal(found["x"], [1.0, -2.5])  # 0x3f80 and 0xc020, widened
    files.write(tmp_path / "c.safetensors", {"x": np.float32([1, 2])})
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
    files.write(path, ARRAYS)
    whole = path.read_bytes()
    wrong = [
        b"", whole[:20], whole[:-1], b"PK\x03\x04" + whole, whole[:8] + b"x" + whole[9:],
        whole.replace(b"F64", b"F65"), whole.replace(b'"shape": [2, 3]', b'"shape": [3, 3]'),
    ]  # fmt: skip
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is no \.safetensors file") as caught:
            files.read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="No such file"):
        files.read(tmp_path / "missing.safetensors")


def test_every_flipped_bit_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    files.write(path, {"W": np.array([0.5, 2.0])}, {"gradlab.training": "text"})
    whole = path.read_bytes()
    with open(path, "rb+", buffering=0) as file:
        for bit in range(8 * len(whole)):
            place = bit // 8
            os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << bit % 8]), place)
            with pytest.raises(UserError, match=r"a\.safetensors is no \.safetensors file"):
                files.read(path)
            os.pwrite(file.fileno(), whole[place : place + 1], place)
    assert files.read(path)[1] == {"gradlab.training": "text"}
