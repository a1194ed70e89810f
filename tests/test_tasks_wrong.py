"""Tasks that can be solved: which sequences count as wrong."""

import numpy as np
import pytest

from gradlab import tasks

# series, which needs a file, is held in test_series.py
SOLVABLE = [
    name for name in tasks.names() if name != "series" and hasattr(tasks.find(name), "wrong")
]


def sample(name, length, batch, seed=3):
    return tasks.find(name).sample(np.random.default_rng(seed), length, batch)


@pytest.mark.parametrize("name", SOLVABLE)
def test_the_right_answer_is_right_and_nan_is_wrong(name):
    task = tasks.find(name)
    _, targets = sample(name, 30, 4)
    floats = task.LOSS == "squared_error"
    outputs = targets.copy() if floats else np.eye(task.OUTPUTS)[targets]
    assert not task.wrong(outputs, targets).any()
    outputs[..., 1, 0] = np.nan
    assert task.wrong(outputs, targets).tolist() == [False, True, False, False]


@pytest.mark.parametrize("name", ["copying", "memorization"])
def test_one_wrong_step_makes_the_sequence_wrong(name):
    task = tasks.find(name)
    _, targets = sample(name, 30, 3)
    outputs = np.eye(task.OUTPUTS)[targets]
    outputs[4, 2] = np.roll(outputs[4, 2], 1)
    assert task.wrong(outputs, targets).tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["adding", "addition", "multiplication"])
def test_a_squared_error_of_4_hundredths_is_the_edge(name):
    targets = np.zeros((3, 1))
    wrong = tasks.find(name).wrong(np.array([[0.199], [-0.201], [0.2 + 1e-9]]), targets)
    assert wrong.tolist() == [False, True, True]
