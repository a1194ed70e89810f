"""What is stored is whole or noticed, and belongs to the sources that computed it."""

import random

import pandas as pd
import pytest
import toy_measure
from toy import experiment as toy

from gradlab.errors import UserError
from gradlab.suite import sources, store
from gradlab.suite.grid import Block, blocks

FRAME = pd.DataFrame({"a": [0.1, float("nan"), float("inf")], "status": ["ok", "nan", "ok"]})


def test_a_table_comes_back_with_its_origin(tmp_path):
    store.write(FRAME, tmp_path / "new" / "t.parquet", {"seconds": 1.5})
    frame, origin = store.read(tmp_path / "new" / "t.parquet")
    pd.testing.assert_frame_equal(frame, FRAME, check_exact=True)
    assert origin == {"seconds": 1.5}


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_never_read_as_a_number(tmp_path, seed):
    path = tmp_path / "t.parquet"
    store.write(FRAME, path)
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    try:
        frame, _ = store.read(path)
    except store.Damaged:
        return
    pd.testing.assert_frame_equal(frame, FRAME, check_exact=True, check_names=False)


@pytest.mark.parametrize("size", [0, 3, 200])
def test_a_truncated_table_is_damaged(tmp_path, size):
    path = tmp_path / "t.parquet"
    store.write(FRAME, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(store.Damaged):
        store.read(path)
    with pytest.raises(UserError, match=r"t.parquet is damaged; `gradlab run t`"):
        store.read_table(tmp_path, "t")


def test_a_shard_of_other_points_is_damaged(tmp_path):
    block = blocks(toy)[0][0]
    path = tmp_path / "shard.parquet"
    assert store.read_shard(path, block) is None
    store.write(pd.DataFrame({**block.points, "x": 1.0}), path)
    assert len(store.read_shard(path, block)[0]) == len(block)
    with pytest.raises(store.Damaged):
        store.read_shard(path, blocks(toy)[1][0])


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), store.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_table_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r"no table .*toy.parquet; `gradlab run toy` makes it"):
        store.read_table(tmp_path, "toy")


def test_a_key_follows_points_constants_and_sources():
    block = blocks(toy)[0][0]
    other = Block(block.points, {**block.constants, "length": 11})
    reordered = Block(dict(reversed(block.points.items())), block.constants)
    assert sources.key(block, "s") == sources.key(reordered, "s")
    keys = [sources.key(block, "s"), sources.key(other, "s"), sources.key(block, "t")]
    assert len({*keys, sources.key(blocks(toy)[1][0], "s")}) == 4


def test_the_digest_sees_the_measure_and_the_rooms_of_numbers(tmp_path, monkeypatch):
    assert sources.digest("toy_measure:decay") == sources.digest(toy_measure.decay)
    room = tmp_path / "cells"
    room.mkdir()
    monkeypatch.setattr(sources, "PACKAGE", tmp_path)
    digests = [sources.digest(toy_measure.decay)]
    for content in ("x = 1", "x = 2"):
        (room / "new.py").write_text(content)
        digests.append(sources.digest(toy_measure.decay))
    (room / "new.py").rename(room / "old.py")
    digests.append(sources.digest(toy_measure.decay))
    assert len(set(digests)) == 4
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "figures.py").write_text("x = 1")
    assert sources.digest(toy_measure.decay) == digests[-1]
    assert sources.digest(len_of_block) != digests[-1]


def len_of_block(block):
    """Another measure, in another file."""
    return {"x": [1.0] * len(block)}


def test_an_unknown_measure_is_named():
    with pytest.raises(UserError, match="measure nowhere:f: no such module"):
        sources.digest("nowhere:f")
