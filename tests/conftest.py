"""What every test shares: Hypothesis profiles, a backend without a window, the real data."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from gradlab import found
from gradlab.suite import library

os.environ["MPLBACKEND"] = "Agg"
found.importable(library.folder())  # the race, as its experiments find it

if os.environ.get("NUMBA_DISABLE_JIT") == "1":
    # Compiled kernels overflow without a word; the NumPy scalars of interpreted ones would warn.
    np.seterr(over="ignore", invalid="ignore")

# Compiling makes the first example slow, hence no deadline. CI repeats its examples exactly.
settings.register_profile("compiled", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("interpreted", deadline=None, derandomize=True, max_examples=5)
settings.load_profile(os.environ.get("GRADLAB_HYPOTHESIS", "compiled"))

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the checkout; it is no part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("no real data: the folder shared/data is not beside this checkout")
    return SHARED


@pytest.fixture
def undrawn(monkeypatch):
    """Runs without their figures, which take most of the time."""
    from faults.inline import NO_FIGURE

    from gradlab import runner

    monkeypatch.setattr(runner, "drawing", lambda: NO_FIGURE)


@pytest.fixture
def calls(monkeypatch):
    """The seeds of the toy's blocks that were measured in this process."""
    import toy_measure

    seeds, decay = [], toy_measure.decay

    def counted(block):
        seeds.append(int(block.points["seed"][0]))
        return decay(block)

    monkeypatch.setattr(toy_measure, "decay", counted)
    return seeds
