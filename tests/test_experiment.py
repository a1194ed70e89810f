"""What an experiment file may say, how its grid falls into blocks, and how claims are judged."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy import experiment as toy

from gradlab.errors import UserError
from gradlab.suite import Claim, Experiment, NotMeasured, Span
from gradlab.suite.grid import blocks, changed, points
from gradlab.suite.sources import points_key


def make(grid, **options):
    return Experiment("?", grid, measure="m:f", figure=None, **{"split": [], "name": "e"} | options)


def claim(**options):
    options = {"measured": lambda frame: 1.05, "equals": 1.0, "within": 0.1} | options
    if {"at_least", "at_most"} & set(options):
        options = {"equals": None, "within": None} | {
            k: v for k, v in options.items() if k not in ("equals", "within")
        }
    return Claim("c", "one", source="arithmetic", why="-", control=None, **options)


def test_a_name_is_the_stem_of_the_file():
    assert toy.name == "toy"
    assert toy.file.endswith("toy.py")
    assert make({"a": [1]}, name=None).name == "test_experiment"


def test_an_axis_is_plain_python_of_one_kind():
    grid = [{"a": np.array([0, 1])}, {"a": [0.5, np.float64(1.0)]}]
    assert make(grid).grid == [{"a": [0.0, 1.0]}, {"a": [0.5, 1.0]}]
    assert make({"a": "tanh"}).grid == [{"a": ["tanh"]}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": [{"a": [1]}, {"b": [1]}]}, "same axes"),
        ({"grid": {"a": []}}, "axis a has no values"),
        ({"grid": {"a": [1]}, "split": ["b"]}, "split names b; there are a"),
        ({"grid": {"a": [1]}, "quick": {"c": 1}}, "quick names c; there are a"),
        ({"grid": {"a": [1]}, "constants": {"a": 1}}, "share a name"),
    ],
)
def test_a_wrong_experiment_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_union_holds_a_point_once_in_order():
    both = make([{"a": [1, 2], "b": [5]}, {"a": [2], "b": [5, 6]}])
    assert points(both) == [(1, 5), (2, 5), (2, 6)]


def test_blocks_share_the_split_and_know_their_places():
    both = make({"a": [1.0, 2.0], "seed": [0, 1, 2]}, split=["seed"], constants={"n": 3})
    found = blocks(both)
    assert [block.points["seed"].tolist() for block, _ in found] == [[0, 0], [1, 1], [2, 2]]
    assert [positions.tolist() for _, positions in found] == [[0, 3], [1, 4], [2, 5]]
    assert all(len(block) == 2 and block.constants == {"n": 3} for block, _ in found)


def test_values_take_the_type_of_what_they_replace():
    plain = make({"a": [1.0], "seed": [0, 1]}, constants={"n": 3, "file": None, "on": True})
    new = changed(plain, {"a": "0.5:1.5:5", "seed": "3", "n": "7", "file": "x.csv", "on": "no"})
    assert new.grid == [{"a": [0.5, 0.75, 1.0, 1.25, 1.5], "seed": [3]}]
    assert new.constants == {"n": 7, "file": "x.csv", "on": False}
    assert changed(plain, {"a": np.array([1, 2])}).grid[0]["a"] == [1.0, 2.0]
    assert changed(plain, {"a": "0.5:1.5:21"}).grid[0]["a"][1] == 0.55
    assert changed(make({"f": ["tanh"]}), {"f": "tanh,relu"}).grid[0]["f"] == ["tanh", "relu"]
    assert plain.constants["n"] == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lenght", "1", "toy has no lenght: did you mean length?"),
        ("weight", "one", "weight=one: not a number"),
        ("weight", "nan", "weight=nan: not a number"),
        ("weight", "1:2", "weight=1:2: not a range FROM:TO:COUNT"),
        ("weight", "1:2:0", "weight has no values"),
        ("seed", "1.5", "seed=1.5: not a whole number"),
        ("length", "inf", "length=inf: not a whole number"),
    ],
)
def test_wrong_values_are_named(name, value, message):
    with pytest.raises(UserError, match=message):
        changed(toy, {name: value})


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({}, "ok"),
        ({"within": 0.01}, "FALLS SHORT"),
        ({"equals": lambda frame: frame["x"].sum(), "within": 0.01}, "FALLS SHORT"),
        ({"equals": 1.2, "relative": True, "within": 0.13}, "ok"),
        ({"equals": 1.2, "relative": True, "within": 0.12}, "FALLS SHORT"),
        ({"at_least": 0.0}, "ok"),
        ({"at_least": 1.2}, "FALLS SHORT"),
        ({"at_most": 9.0}, "ok"),
        ({"at_most": 0.9}, "FALLS SHORT"),
        ({"measured": lambda frame: math.nan}, "FALLS SHORT"),
        ({"measured": lambda frame: math.nan, "at_most": 9.0}, "FALLS SHORT"),
        ({"measured": lambda frame: frame["y"].mean()}, "not measured"),
    ],
)
def test_verdicts(options, outcome):
    assert claim(**options).judge(pd.DataFrame({"x": [2.0]})).outcome == outcome


def test_a_verdict_says_its_numbers_or_what_lacks():
    line = str(claim(relative=True).judge(None))
    assert line == ("ok            c: one: measured 1.05, expected 1 within 0.1 of it (arithmetic)")

    def measured(frame):
        raise NotMeasured("needs rows with a = 1")

    assert str(claim(measured=measured).judge(None)).endswith("c: one (needs rows with a = 1)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_least": 1.0}, "equals and at_least; give one of"),
        ({"equals": None}, "none of them; give one of"),
        ({"within": None}, "within= goes with equals="),
        ({"equals": None, "at_most": 1.0}, "within= goes with equals="),
        (
            {"equals": None, "within": None, "at_least": 0.0, "rivals": {"half": 0.5}},
            "rivals= goes with equals=, not with at_least=",
        ),
        ({"rivals": {"half": "0.5"}}, "claim c: half '0.5', not a number"),
    ],
)
def test_a_claim_asks_for_one_thing(options, message):
    with pytest.raises(ValueError, match=message):
        replace(claim(), **options)


@pytest.mark.parametrize(
    ("about", "outcome"),
    [
        ({"a": "x"}, 1.0),
        ({"a": ("x", "y")}, 2.0),
        ({"n": Span(3)}, 3.0),
        ({"n": Span(0, 1), "a": "x"}, 1.0),
        ({"file": None}, 2.0),
        ({"a": "z"}, "is about a=z, not x or y"),
        ({"n": Span(7)}, "is about n=7 or more, not 1 or 3"),
        ({"task": "t"}, "is about task=t, not none"),
    ],
)
def test_a_claim_reads_the_rows_that_it_is_about(about, outcome):
    frame = pd.DataFrame({"a": ["x", "y"], "n": [1, 3]})
    verdict = claim(about=about, measured=lambda here: here.n.mean()).judge(frame)
    if isinstance(outcome, str):
        assert (verdict.outcome, verdict.reason) == ("not measured", outcome)
    else:
        assert verdict.measured == outcome


def test_a_rival_is_judged_in_the_bounds_place():
    frame = pd.DataFrame({"x": [2.0]})
    rivals = {"half of it": 0.5, "the sum": lambda frame: frame.x.sum(), "near it": 1.1}
    known = claim(rivals=rivals)
    assert known.judge(frame).outcome == "ok"
    found = {words: known.rival(words).judge(frame) for words in rivals}
    assert [one.outcome for one in found.values()] == ["FALLS SHORT", "FALLS SHORT", "ok"]
    assert [one.expected for one in found.values()] == [0.5, 2.0, 1.1]


def test_a_claim_needs_its_seeds():
    verdict = claim(seeds=3).judge(pd.DataFrame({"seed": [0, 1, 1]}))
    assert (verdict.outcome, verdict.reason) == ("not measured", "needs 3 seeds")


def test_a_claim_is_about_what_there_is():
    with pytest.raises(ValueError, match="claim c is about b; there are a"):
        make({"a": [1]}, claims=[claim(about={"b": 1})])


def test_the_toys_claim_holds_and_can_fail(tmp_path):
    from gradlab import runner

    frame = runner.run(toy, results=tmp_path)
    (known,) = toy.claims
    assert known.judge(frame).outcome == "ok"
    assert known.judge(known.control(frame.copy())).outcome == "FALLS SHORT"


def test_a_table_tells_quick_values_from_others():
    whole = make({"a": [1.0, 2.0], "seed": [0, 1]}, constants={"n": 3, "file": None},
                 quick={"seed": [0]})  # fmt: skip

    def said(**values):
        table = pd.DataFrame(points(e := changed(whole, values)), columns=list(e.axes)).assign(
            n=e.constants["n"]
        )
        return e.is_quick(table), e.other_values(table)

    assert said() == (False, "")
    assert said(seed=[0]) == (True, "")
    assert said(seed=[0], n=4) == (True, "n=4")
    assert said(seed=[0, 1, 2], a=[1.0]) == (False, "a=1.0, seed")
    before_n = pd.DataFrame(points(whole), columns=["a", "seed"])
    assert whole.other_values(before_n) == "" and not whole.is_quick(before_n)


@pytest.mark.parametrize("values", ["a=1", ["a=1"], 3])
def test_settings_that_are_no_mapping_are_refused(values):
    with pytest.raises(UserError, match="not a mapping of names to values"):
        changed(toy, values)


def opened():
    """An experiment whose constants cell and n were given several values."""
    constants = {"cell": "elman", "n": 3, "file": None, "both": False}
    plain = make({"a": [1.0, 2.0], "seed": [0, 1]}, split=["seed"], constants=constants)
    return plain, changed(plain, {"n": "3,5", "cell": "elman,lstm"})


def test_a_constant_with_several_values_is_an_axis_that_splits_and_one_value_in_each_block():
    plain, new = opened()
    assert new.axes == ("n", "cell", "a", "seed") and new.split == ["n", "cell", "seed"]
    assert new.constants == {"file": None, "both": False} and plain.axes == ("a", "seed")
    found = [block for block, _ in blocks(new)]
    assert len(found) == 8 and all(list(block.points) == ["a", "seed"] for block in found)
    assert [block.constants["n"] for block in found] == [3] * 4 + [5] * 4
    assert [block.constants["cell"] for block in found[:4]] == ["elman", "elman", "lstm", "lstm"]
    alone = [block for block, _ in blocks(changed(plain, {"cell": "lstm", "n": 5}))]
    assert [points_key(block) for block in found[6:]] == [points_key(block) for block in alone]


def test_what_is_several_values_of_a_constant():
    plain, new = opened()
    assert changed(plain, {"both": "no,yes"}).grid[0]["both"] == [False, True]
    assert changed(plain, {"n": "1:5:3"}).grid[0]["n"] == [1, 3, 5]
    assert changed(plain, {"n": [7, 8]}).grid[0]["n"] == [7, 8]
    assert changed(plain, {"file": "a,b.csv"}).constants["file"] == "a,b.csv"  # free text
    assert changed(new, {"n": "9"}).grid[0]["n"] == [9]
    with pytest.raises(UserError, match="not 'lsmt': did you mean lstm"):
        changed(plain, {"cell": "elman,lsmt"})
    with pytest.raises(UserError, match="n=a: not a whole number"):
        changed(plain, {"n": "3,a"})


def test_a_table_is_apart_by_what_is_one_value_in_the_file():
    plain, new = opened()
    frame = pd.DataFrame({"n": [3, 3, 5], "cell": ["elman", "lstm", "lstm"], "a": [1.0, 2.0, 3.0]})
    assert [said for said, _ in new.apart(frame)] == [
        {"cell": "elman", "n": 3}, {"cell": "lstm", "n": 3}, {"cell": "lstm", "n": 5},
    ]  # fmt: skip
    assert [said for said, _ in plain.apart(frame[:1])] == [{}]


def test_an_old_table_has_what_the_file_says_of_younger_settings():
    plain, _ = opened()
    old = pd.DataFrame({"n": [5], "a": [1.0]})
    assert plain.completed(old).iloc[0].to_dict() == {
        "n": 5, "a": 1.0, "cell": "elman", "both": False,
    }  # fmt: skip
    about = replace(plain, claims=[claim(about={"cell": "elman", "file": None})])
    assert about.verdicts(old)[0].outcome == "ok"
    assert about.verdicts(old.assign(cell="lstm"))[0].reason == "is about cell=elman, not lstm"


@pytest.mark.parametrize(("about", "read"), [({}, 1.0), ({"cell": "lstm"}, 2.5)])
def test_a_claim_reads_the_files_own_value_where_a_setting_has_several(about, read):
    plain, _ = opened()
    own = claim(measured=lambda frame: frame.a.mean(), equals=read, within=0.0, about=about)
    frame = pd.DataFrame({"n": 3, "cell": ["elman", "lstm", "lstm"], "a": [1.0, 2.0, 3.0]})
    assert replace(plain, claims=[own]).verdicts(frame)[0].outcome == "ok"
    other = replace(plain, claims=[own]).verdicts(frame.assign(cell=["gru", "jordan", "gru"]))[0]
    wanted = about.get("cell", "elman")
    assert other.reason == f"is about cell={wanted}, not gru or jordan"
