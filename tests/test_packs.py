"""Shards in packs: read as they were, one by one damaged, and never there twice or gone."""

import os

import pandas as pd
import pytest
from test_store import bits, flipped
from toy import experiment as toy

from gradlab.errors import UserError
from gradlab.suite import packs, store, survey, sweep
from gradlab.suite.grid import changed

MANY = changed(toy, {"seed": list(range(14)), "weight": [0.5, 2.0]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A sweep's folder, whose shards became packs of three, and these one of nine, and one of 3."""
    monkeypatch.setattr(packs, "FULL", 3)
    sweep.sweep(MANY, tmp_path, 1)
    return tmp_path / "toy.shards"


def kept(folder):
    """The names of all stored shards, each as often as it is there."""
    packed = [name for pack in packs.found_in(folder) for name in packs.places(pack)]
    return sorted(packed + [path.name for path in folder.glob("*.parquet")])


def test_a_long_sweep_s_shards_become_a_few_files(folder, tmp_path):
    assert [len(list(folder.glob(f"*.{end}"))) for end in ("pack", "parquet")] == [2, 2]
    parts = survey.blocks_of(MANY, tmp_path)
    assert kept(folder) == sorted(part.path.name for part in parts)
    frame, origins = sweep.sweep(MANY, tmp_path, 1)
    assert (
        not survey.survey(MANY, tmp_path).why
        and len(origins) == 14
        and not list(folder.glob("*.claim"))
    )
    assert (frame["seed"] == [seed for _ in range(2) for seed in range(14)]).all()
    calm, _ = sweep.sweep(MANY, tmp_path / "calm", 1)
    pd.testing.assert_frame_equal(frame, calm, check_exact=True)


def test_what_an_interrupted_run_left_is_packed_by_the_next(tmp_path, monkeypatch):
    sweep.sweep(changed(MANY, {"seed": [0, 1, 2, 3]}), tmp_path, 1)
    monkeypatch.setattr(packs, "FULL", 5)
    sweep.sweep(changed(MANY, {"seed": [0, 1, 2, 3, 4, 5]}), tmp_path, 1)
    folder = tmp_path / "toy.shards"
    assert [len(list(folder.glob(f"*.{end}"))) for end in ("pack", "parquet")] == [1, 1]


def test_every_flipped_bit_and_cut_of_a_pack_costs_its_own_block(folder, tmp_path):
    pack = packs.found_in(folder)[-1]
    parts = [
        part for part in survey.blocks_of(MANY, tmp_path) if part.path.name in packs.places(pack)
    ]
    whole = {part.path: packs.read(part.path)[0] for part in parts}
    places, content = packs.places(pack), pack.read_bytes()
    heads = [8 * (start - back) for start, _ in places.values() for back in (1, 30, 100)]

    def unread():
        found = []
        for part in parts:
            try:
                if not store.read_shard(part.path, part.block):
                    found.append(part.path)
            except store.Damaged as error:
                assert part.path.name in str(error) and pack.name in str(error)
                found.append(part.path)
        assert all(packs.read(path)[0] == whole[path] for path in whole if path not in found)
        return found

    for _ in flipped(pack, [*heads, *bits(pack, 60)]):
        assert len(unread()) == 1
    for size in range(0, len(content), 6007):
        pack.write_bytes(content[:size])
        intact = sum(start + length <= size for start, length in places.values())
        assert len(unread()) == len(parts) - intact
    pack.write_bytes(content)
    assert not unread()


def test_a_kill_between_a_pack_and_the_end_of_its_files_leaves_nothing_twice(
    folder, tmp_path, monkeypatch
):
    there = kept(folder)
    loose, all_packs = list(folder.glob("*.parquet")), packs.found_in(folder)
    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "unlink", lambda *_, **__: None)  # killed before it
        packs.together(loose)
        packs.together(all_packs)
    assert len(kept(folder)) == 2 * len(there)
    frame, _ = sweep.sweep(MANY, tmp_path, 1)
    assert kept(folder) == there and len(packs.found_in(folder)) == 2 and len(frame) == 28


def test_a_block_that_ran_anew_counts_before_the_one_in_a_pack(folder, tmp_path):
    part = next(
        part
        for part in survey.blocks_of(MANY, tmp_path)
        if part.path.name in packs.places(packs.found_in(folder)[0])
    )
    rows, origin = store.read_shard(part.path, part.block)
    store.write(rows.assign(mix=1.0), part.path, origin)
    packs.tidy(folder)
    assert (store.read_shard(part.path, part.block)[0]["mix"] == 1).all()
    packs.together([part.path])
    assert not part.path.exists()
    assert (store.read_shard(part.path, part.block)[0]["mix"] == 1).all()


def test_what_somebody_else_put_there_is_left_alone(folder, tmp_path):
    there, where = kept(folder), folder / "000009-0123456789ab.pack"
    for name in ("123456ab.pack", "000001.pack", "\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2-a.pack"):
        (folder / name).write_bytes(b"mine")
    for make in (where.mkdir, lambda: os.mkfifo(where), lambda: where.symlink_to(where)):
        make()
        assert packs.places(where) == {}
        where.rmdir() if where.is_dir() else where.unlink()
    heads = [packs._head(name, size) for name, size in (("..", 3), ("mine.txt", 4), ("a", 10**17))]
    where.write_bytes(b"mine".join(heads) + packs._head("a.parquet", 10**17) + b"cut")
    (folder / "mine.txt").write_bytes(b"mine")
    frame, _ = sweep.sweep(changed(MANY, {"seed": list(range(20))}), tmp_path, 1)
    assert len(frame) == 40 and len(list(folder.glob("*.txt"))) == 1
    assert set(there) < set(kept(folder)) and len(list(folder.glob("*ab.pack"))) == 2


def test_a_head_is_found_wherever_the_damage_before_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "AT_ONCE", 2 * packs.LONGEST)
    pack, head = tmp_path / "000001-0123456789ab.pack", packs._head("a.parquet", 2)
    for before in range(0, 5 * packs.LONGEST, 7):
        pack.write_bytes(b"g" * before + head + b"ok")
        assert packs.places(pack) == {"a.parquet": (before + len(head), 2)}


def test_a_full_disk_leaves_the_shards_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "FULL", 3)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packs.shutil, "copyfileobj", full)
    assert len(sweep.sweep(MANY, tmp_path, 1)[0]) == 28
    assert len(list((tmp_path / "toy.shards").iterdir())) == 14


def test_rows_that_are_not_kept_in_memory_are_read_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("gradlab.suite.done.CELLS", 60)
    frame, _ = sweep.sweep(MANY, tmp_path, 1)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(frame, sweep.sweep(MANY, tmp_path, 1)[0], check_exact=True)
    parts = survey.blocks_of(MANY, tmp_path)
    monkeypatch.setattr("gradlab.suite.done.CELLS", 0)
    found = survey.survey(MANY, tmp_path)
    assert not found.done._rows
    parts[3].path.unlink()
    with pytest.raises(UserError, match=r"was removed or damaged meanwhile: the same command"):
        found.done.rows(parts[3])
