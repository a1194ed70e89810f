"""Every field of a plan is checked when it is made, and can be saved: one line names it."""

import dataclasses
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.learning.optimizers import optimizer
from gradlab.learning.plan import CHECKS, MAY_BE_NONE, Plan

LEAST = {"task": "temporal_order", "sequence_length": 12, "updates": 5}
NAN, INF = math.nan, math.inf
NO_WHOLE = [0, -1, True, np.True_, 5.0, np.float64(5), NAN, "5", None, [5], 1j]
NO_RATE = [-1.0, -1e-300, NAN, INF, True, "0.1", None, [0.1], 1j, 10**400, np.float32(-1)]
NO_NAME = ["", "no such", None, 1, True, ["norm"], {}]
NO_OTHER = [v for v in NO_NAME if v is not None]  # of what may be None
NO_OPTIONS = [None, 1, "a", [("a", 1)], {1: 2}, {"a": object}, {"a": np.ones(2)}, {"a": {}}]
WRONG = {
    "task": ["", None, 1, True],
    "sequence_length": [*NO_WHOLE, (5,), (5, 6, 7), (6, 5), (5, 5), (0, 5), (5, 6.0), (True, 3)],
    **dict.fromkeys(("updates", "batch", "log_every", "evaluation_size"), NO_WHOLE),
    **dict.fromkeys(("evaluate_every", "seed"), NO_WHOLE[1:]),
    **dict.fromkeys(("learning_rate", "omega"), NO_RATE),
    **dict.fromkeys(("optimizer", "schedule", "clip_style", "clip_per", "mean"), NO_NAME),
    **dict.fromkeys(("optimizer_options", "task_options"), NO_OPTIONS),
    **{key: [None, 0, 1, "yes", 1.0] for key in ("teacher_forcing", "carry")},
    "clip_threshold": [v for v in NO_RATE if v is not None and v != INF],
    "stop_below": [-0.01, 1.01, NAN, INF, True, "0.1"],
    "patience": [v for v in NO_WHOLE if v is not None],
    **dict.fromkeys(("loss", "at"), NO_OTHER),
    "truncate": [
        5, "window", {"window": 2}, ("window",), ("lane", 2), ("chunk", 0), ("chunk", 2.0),
        ("chunk", True), ("window", "2"), ("window", 2, 3),
    ],
}  # fmt: skip
CASES = [(name, value) for name, values in WRONG.items() for value in values]


def test_every_field_has_a_check_and_wrong_values():
    names = {field.name for field in dataclasses.fields(Plan)}
    assert {*CHECKS, *MAY_BE_NONE, "sequence_length"} == names == {*WRONG}


@pytest.mark.parametrize(("name", "value"), CASES, ids=repr)
def test_a_wrong_field_is_one_line_that_names_it(name, value):
    with pytest.raises(UserError, match=f"^{name}") as caught:
        Plan(**LEAST | {"evaluate_every": 1} | {name: value})
    said = str(caught.value)
    assert "must be" in said and "\n" not in said


NUMPY = {
    "sequence_length": (np.int64(10), np.int32(12)), "updates": np.int64(5), "batch": np.uint8(3),
    "learning_rate": np.float32(0.25), "optimizer": np.str_("adam"),
    "optimizer_options": {"beta1": np.float32(0.5)}, "clip_threshold": np.int64(2),
    "teacher_forcing": np.False_, "omega": np.float16(0.5), "log_every": np.array(4),
    "evaluate_every": np.int8(2), "stop_below": np.float64(0.5), "patience": np.int64(1),
    "task_options": {"a": np.float32(0.5), "b": (np.int64(1), np.str_("c")), "d": Path("e")},
    "seed": np.uint64(2**63), "task": Path("temporal_order"), "loss": np.str_("squared_error"),
    "at": np.str_("last"),
}  # fmt: skip
PYTHON = {
    "sequence_length": (10, 12), "updates": 5, "batch": 3, "learning_rate": 0.25,
    "optimizer": "adam", "optimizer_options": {"beta1": 0.5}, "clip_threshold": 2.0,
    "teacher_forcing": False, "omega": 0.5, "log_every": 4, "evaluate_every": 2, "stop_below": 0.5,
    "patience": 1, "task_options": {"a": 0.5, "b": [1, "c"], "d": "e"}, "seed": 2**63,
    "task": "temporal_order", "loss": "squared_error", "at": "last",
}  # fmt: skip


def test_numpy_s_numbers_are_python_s_and_come_back_from_json():
    plan = Plan(**NUMPY)
    assert plan == Plan(**PYTHON)
    for name, value in PYTHON.items():
        assert type(getattr(plan, name)) is type(value), name
    assert Plan(**json.loads(json.dumps(dataclasses.asdict(plan)))) == plan


@pytest.mark.parametrize("given", [("window", 3), ["window", np.int64(3)], (np.str_("window"), 3)])
def test_a_truncation_is_a_pair_that_comes_back_from_json(given):
    plan = Plan(**LEAST, truncate=given)
    assert plan.truncate == ("window", 3) and [*map(type, plan.truncate)] == [str, int]
    assert Plan(**json.loads(json.dumps(dataclasses.asdict(plan)))) == plan


def test_a_plan_is_what_its_defaults_say():
    assert (Plan(), Plan().lengths) == (Plan("own", 50, 1000), (50, 51))


EDGES = [
    {"learning_rate": 0}, {"learning_rate": 5e-324}, {"learning_rate": 1.7e308}, {"omega": 0},
    {"clip_threshold": 0}, {"clip_threshold": INF}, {"seed": 0}, {"sequence_length": 1},
    {"sequence_length": (1, 2)}, {"sequence_length": [3, 4]}, {"updates": 1, "batch": 1},
    {"learning_rate": Fraction(1, 4)}, {"evaluate_every": 1, "stop_below": 0},
    {"evaluate_every": 1, "stop_below": 1, "patience": 1},
]  # fmt: skip


@pytest.mark.parametrize("changes", EDGES, ids=repr)
def test_the_edges_of_what_is_right_are_right(changes):
    plan = Plan(**LEAST | changes)
    for name, value in changes.items():
        assert getattr(plan, name) == (tuple(value) if isinstance(value, list) else value)


def test_what_does_not_go_together_is_one_line():
    for name, value in (("stop_below", 0.0), ("stop_below", 0.1), ("patience", 3)):
        with pytest.raises(UserError, match=f"{name}={value}: needs evaluate_every >= 1"):
            Plan(**LEAST, **{name: value})
    for per in ("lane", "step"):
        with pytest.raises(UserError, match=f"omega needs clip_per=mean, not {per}"):
            Plan(**LEAST, omega=1e-9, clip_per=per)
        Plan(**LEAST, omega=0.0, clip_per=per)
    for name, value in (("omega", 0.5), ("clip_per", "step")):
        with pytest.raises(UserError, match=f"does not go with {name}={value}"):
            Plan(**LEAST, truncate=("chunk", 4), **{name: value})


SHARES = [-0.1, 1.0, 2, NAN, INF, True, "a", None]
OPTIONS = {
    ("momentum", "momentum"): SHARES, ("adam", "beta1"): SHARES, ("adam", "beta2"): SHARES,
    ("rmsprop", "decay"): SHARES, ("adam", "epsilon"): [0, -1, NAN, INF, True, "a", None],
    ("rmsprop", "epsilon"): [0.0, -1e-9, NAN, INF, False, None],
}  # fmt: skip


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_optimizer_s_options_are_checked(name, option):
    for value in OPTIONS[name, option]:
        with pytest.raises(UserError, match=f"^optimizer {name}: {option}=.*: must be a") as caught:
            Plan(**LEAST, optimizer=name, optimizer_options={option: value})
        assert "\n" not in str(caught.value)
    edge = 5e-324 if option == "epsilon" else 0
    assert getattr(optimizer(name, {option: edge}), option) == edge
