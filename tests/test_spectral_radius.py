"""The main job as a user runs it: the same bits always, a user's own series, the script."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab import found
from gradlab.errors import UserError
from gradlab.plots import style

SCRIPT = Path(__file__).parents[1] / "experiments" / "spectral_radius.py"
SMALL = {"spectral_radius": [0.7, 1.6], "sequence_length": [5, 40], "seed": range(4)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return gradlab.run(
        "spectral_radius", set=SMALL, results=tmp_path_factory.mktemp("one"), workers=1
    )


@pytest.mark.parametrize("workers", [2, 4])
def test_the_bits_do_not_depend_on_the_workers(alone, workers, tmp_path):
    other = gradlab.run("spectral_radius", set=SMALL, results=tmp_path, workers=workers)
    pd.testing.assert_frame_equal(alone, other, check_exact=True)


def test_the_bits_do_not_depend_on_the_order_of_the_blocks(alone, tmp_path):
    backwards = {**SMALL, "seed": [3, 1, 2, 0]}
    other = gradlab.run("spectral_radius", set=backwards, results=tmp_path)
    axes = ["spectral_radius", "sequence_length", "input_scale", "seed"]
    pd.testing.assert_frame_equal(
        alone.sort_values(axes, ignore_index=True), other.sort_values(axes, ignore_index=True),
        check_exact=True,
    )  # fmt: skip


def test_a_users_series_drives_the_network(tmp_path):
    file = tmp_path / "walk.csv"
    walk = np.random.default_rng(0).standard_normal(300).cumsum()
    pd.DataFrame({"day": range(300), "price": walk}).to_csv(file, index=False)
    task = {"task": "series", "file": str(file), "column": "price"}
    frame = gradlab.run("spectral_radius", set=SMALL | task, results=tmp_path)
    assert set(frame.status) == {"ok"} and frame.loss.nunique() > 20
    with pytest.raises(UserError, match="has 300 values: sequence_length 500 needs 501"):
        long = {"sequence_length": [500]}
        gradlab.run("spectral_radius", set=SMALL | task | long, results=tmp_path)
    with pytest.raises(UserError, match="has no column cost; it has day, price"):
        gradlab.run("spectral_radius", set=SMALL | task | {"column": "cost"}, results=tmp_path)


def test_the_script_does_the_same_as_the_command(alone, tmp_path):
    options = ["--set=spectral_radius=0.7,1.6", "--set=sequence_length=5,40", "--set=seed=0,1,2,3"]
    command = [sys.executable, str(SCRIPT), *options, "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    frame = gradlab.read("spectral_radius", tmp_path)
    pd.testing.assert_frame_equal(alone, frame, check_exact=True)


def test_a_seed_without_a_gradient_is_no_seed_that_is_not_clipped():
    """Radius 1: both seeds are clipped at 1. Radius 2: the one that has a gradient is; 3: none."""
    norms = [1.0, 1.0, 1.0, np.nan, np.nan, np.nan]
    frame = pd.DataFrame({"spectral_radius": [1.0, 1, 2, 2, 3, 3], "log10_norm_all": norms})
    _figure, panel = style.panels(1, 1)
    found.load("experiment", SCRIPT).clipped(panel, frame)
    share = panel.collections[0].get_array().filled(np.nan)
    assert share.shape == (81, 3)
    assert share[60].tolist()[:2] == [1.0, 1.0] and np.isnan(share[60, 2])  # threshold 10
    assert share[61].tolist()[:2] == [0.0, 0.0]
