"""Every claim names a plausible wrong model that it refuses: `pytest --collect-only` lists them.

That it does refuse them, on its reference table, is tested with the experiments, as is that a claim
of a number refuses a quarter, half and twice of it.
"""

from pathlib import Path

import pytest

from gradlab.suite import library
from gradlab.suite.claims import in_words

NAMES = sorted(file.stem for file in (Path(__file__).parents[1] / "experiments").glob("[!_]*.py"))
CLAIMS = [
    (name, claim)
    for name in NAMES
    if not (experiment := library.load(name)).benchmark  # times: a machine is no model
    for claim in experiment.claims
]


def wrong(claim):
    """The wrong models that a claim refuses, in words; caricatures do not count."""
    plausible = getattr(claim.control, "plausible", True)
    return [in_words(claim.control).rstrip(".")] * plausible + list(claim.rivals)


@pytest.mark.parametrize(
    ("name", "claim"),
    CLAIMS,
    ids=[f"{name}, {claim.name}: {'; '.join(wrong(claim))}" for name, claim in CLAIMS],
)
def test_a_claim_refuses_a_wrong_model(name, claim):
    assert wrong(claim), f"{in_words(claim.control)} is a caricature"
