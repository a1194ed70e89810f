"""What the README says of faults is what was counted; each row is told whole and can fail."""

import json

import pytest
from faults import run, table
from faults.mutations import MUTATIONS
from faults.tally import Tally, wrong
from sources import ROOT


def test_the_readme_s_table_is_that_of_the_figures():
    text = (ROOT / "README.md").read_text("utf-8")
    there = text.partition(table.FIRST)[2].partition(table.LAST)[0]
    made = table.table(table.read())
    assert there == made, "README.md: paste what `python tests/faults/table.py` prints"


def test_figures_are_those_of_rows_that_there_are_with_their_commit_and_day():
    figures = table.read()
    assert set(figures) <= set(run.ROWS)
    for record in figures.values():
        assert record["trials"] > 0 and record["commit"] and record["date"] >= "2026"


def test_a_row_fails_by_one_breach_and_by_no_trial():
    tally = Tally()
    assert not tally
    tally.trial(wrong(True, "fine"), None)
    assert tally
    tally.trial(wrong(False, "the words"), ("lost", "a shard"))
    record = tally.record()
    assert not tally and (record["lost"], record["twice"], record["wrong"]) == (1, 0, 1)
    assert record["notes"] == ["wrong: the words", "lost: a shard"]
    json.dumps(record)
    assert "FAILS" in run.line("crash", record, bool(tally))


@pytest.mark.parametrize("one", MUTATIONS, ids=lambda one: one.name)
def test_a_mistake_is_one_that_can_be_planted(one):
    text = (ROOT / one.file).read_text("utf-8")
    assert one.old in text and compile(text.replace(one.old, one.new, 1), one.file, "exec")
    assert all((ROOT / "tests" / file).exists() for file in one.tests.split())


def test_there_are_sixty_of_them():
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS) == 60
