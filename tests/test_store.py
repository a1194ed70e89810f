"""What is stored is whole or noticed, and belongs to the sources that computed it."""

import os
import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
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


def flipped(path, bits):
    """Put each of `bits` flipped bits into the file, one at a time."""
    whole = path.read_bytes()
    with open(path, "rb+", buffering=0) as file:
        for bit in bits:
            place = bit // 8
            os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << bit % 8]), place)
            yield
            os.pwrite(file.fileno(), whole[place : place + 1], place)


def bits(path, count):
    """All bits of a file, or so many by chance."""
    every = range(8 * path.stat().st_size)
    return every if len(every) <= count else random.Random(0).sample(every, count)


def test_no_flipped_bit_of_a_shard_is_read(tmp_path):
    block = blocks(toy)[0][0]
    path = tmp_path / "shard.parquet"
    names = {f"log10_gradient_lag_{lag}": 1.0 for lag in (100, 410)}
    store.write(pd.DataFrame({**block.points, **names}), path, {"commit": "abc", "seconds": 1})
    for _ in flipped(path, bits(path, 4000)):
        with pytest.raises(store.Damaged):
            store.read_shard(path, block)
    assert store.read_shard(path, block)[1] == {"commit": "abc", "seconds": 1}


@pytest.mark.parametrize("suffix", ["parquet", "json"])
def test_no_flipped_bit_of_a_table_or_of_what_is_said_of_it_is_read(tmp_path, suffix):
    digest = store.write(FRAME, tmp_path / "t.parquet")
    store.write_json({"question": "Why?", store.TABLE: digest}, tmp_path / "t.json")
    path = tmp_path / f"t.{suffix}"
    for _ in flipped(path, bits(path, 2000)):
        with pytest.raises(UserError, match=rf"t.{suffix} is damaged; `gradlab run t` makes it"):
            store.read_table(tmp_path, "t")
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "t"), FRAME, check_exact=True)


def test_no_flipped_bit_of_a_table_without_its_json_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    store.write(FRAME, path)
    for _ in flipped(path, bits(path, 1000)):
        with pytest.raises(store.Damaged):
            store.read(path)


def test_other_readers_of_parquet_see_a_table_as_it_is(tmp_path):
    store.write(FRAME, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), FRAME)


def test_tables_of_old_are_read_and_shards_of_old_run_again(tmp_path):
    """Until 0.1 no file had a digest."""
    block = blocks(toy)[0][0]
    frame = pd.DataFrame({**block.points, "x": 1.0})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**table.schema.metadata, b"gradlab": b"{}"})
    pq.write_table(table, tmp_path / "t.parquet", write_page_checksum=True)
    (tmp_path / "t.json").write_text('{\n "question": "Why?"\n}\n')
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "t"), frame, check_exact=True)
    with pytest.raises(store.Damaged):
        store.read_shard(tmp_path / "t.parquet", block)


def test_another_runs_table_beside_the_provenance_is_told(tmp_path):
    digest = store.write(FRAME, tmp_path / "t.parquet")
    store.write_json({store.TABLE: digest}, tmp_path / "t.json")
    store.write(FRAME.assign(a=1.0), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet is damaged"):
        store.read_table(tmp_path, "t")


def test_provenance_is_read_with_the_line_ends_of_windows(tmp_path):
    store.write_json({"question": "Why?", "rows": 3}, tmp_path / "t.json")
    (tmp_path / "t.json").write_bytes((tmp_path / "t.json").read_bytes().replace(b"\n", b"\r\n"))
    assert store.read_json(tmp_path / "t.json") == {"question": "Why?", "rows": 3}


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


def test_a_missing_table_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r"no table .*toy.parquet; `gradlab run toy` makes it"):
        store.read_table(tmp_path, "toy")


def test_a_points_key_follows_points_and_constants_in_any_order():
    block = blocks(toy)[0][0]
    other = Block(block.points, {**block.constants, "length": 11})
    reordered = Block(dict(reversed(block.points.items())), block.constants)
    assert sources.points_key(block) == sources.points_key(reordered)
    keys = [sources.points_key(one) for one in (block, other, blocks(toy)[1][0])]
    assert len(set(keys)) == 3
