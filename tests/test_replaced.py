"""A table of another grid is replaced with a word, and not at all where it is the only copy."""

import shutil

import pytest
from toy import experiment as toy

import gradlab
from gradlab.errors import UserError
from gradlab.suite import replaced

HALVES = {"weight": [0.5, 0.25]}
TOLD = "  in place of a table of another grid (weight): its own command makes that again"


def run(folder, capsys, values=None, **how):
    """What a run of the toy says."""
    gradlab.run(toy, set=values, results=folder, progress=True, **how)
    return capsys.readouterr().out


def test_a_table_of_another_grid_is_replaced_and_said(tmp_path, capsys):
    assert "in place of" not in run(tmp_path, capsys) + run(tmp_path, capsys)
    assert TOLD in run(tmp_path, capsys, HALVES)
    assert set(gradlab.read("toy", tmp_path)["weight"]) == {0.5, 0.25}
    said = run(tmp_path, capsys)
    assert TOLD in said and "nothing to run" in said  # the blocks of both were kept
    assert "in place of" not in run(tmp_path, capsys, {"seed": [0, 1, 2, 3, 4]})
    assert "another grid (length, seed)" in run(tmp_path, capsys, {"length": 9})
    assert "in place of" not in run(tmp_path, capsys, HALVES, name="halves")


def test_the_only_copy_of_a_table_is_not_replaced(tmp_path, capsys):
    run(tmp_path, capsys)
    shutil.rmtree(tmp_path / "toy.shards")
    before = (tmp_path / "toy.parquet").read_bytes()
    message = (
        r"toy.parquet holds 12 rows of another grid \(weight\), whose blocks are not stored: --"
    )
    with pytest.raises(UserError, match=message):
        run(tmp_path, capsys, HALVES)
    assert (tmp_path / "toy.parquet").read_bytes() == before
    assert "4 blocks are taken from the table" in run(tmp_path, capsys, {"seed": [0, 1, 2, 3, 4]})
    shutil.rmtree(tmp_path / "toy.shards")
    assert TOLD in run(tmp_path, capsys, HALVES | {"seed": [0, 1, 2, 3, 4]}, fresh=True)


def test_products_of_values_are_held_against_each_other():
    def said(*grid, **more):
        return {"experiment": "toy", "grid": grid, "constants": {"length": 1}, **more}

    one, two = {"a": [1, 2], "b": [0.5]}, {"a": [3], "b": [1.5]}
    assert replaced.difference(said(one, two), said(two)) == ""
    assert replaced.difference(said(two), said(one, two)) == "another grid (a, b)"
    mixed = [{"a": [1, 2], "b": [1.5]}, {"a": [3], "b": [0.5]}]
    assert replaced.difference(said(one, two), said(*mixed)) == "another grid (other products)"
    other = said(one, experiment="lags")
    assert replaced.difference(said(one), other) == "another experiment (lags)"
    assert replaced.difference(said(one), {"rows": 3}) == ""  # what `inspect` wrote
    younger = said(one, constants={"length": 1, "new": 2})
    assert replaced.difference(younger, said(one)) == ""
