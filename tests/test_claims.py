"""Every claim holds on the reference table, and falls short on its stated wrong input."""

from pathlib import Path

import pytest
from toy import experiment as toy

from gradlab.suite import library, run

RESULTS = Path(__file__).parents[1] / "results"
KNOWN = {"toy": toy} | {name: library.load(name) for name in library.names()}
CLAIMS = [(name, claim.name) for name, known in KNOWN.items() for claim in known.claims]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """name -> the reference table; the toy's is made here."""
    tables = {"toy": run.run(toy, results=tmp_path_factory.mktemp("toy"))}

    def read(name):
        if name not in tables:
            if not (RESULTS / f"{name}.parquet").exists():
                pytest.skip(f"no reference run of {name} in results/")
            tables[name] = run.read(name, RESULTS)
        return tables[name]

    return read


@pytest.mark.parametrize(("name", "title"), CLAIMS)
def test_a_claim_holds_and_can_fail(table, name, title):
    claim = next(claim for claim in KNOWN[name].claims if claim.name == title)
    frame = table(name)
    assert claim.judge(frame).outcome == "ok", claim.judge(frame)
    wrong = claim.control(frame.copy())
    assert claim.judge(wrong).outcome == "FALLS SHORT", claim.judge(wrong)
    assert claim.control.__doc__, "a control says what is wrong with its table"


@pytest.mark.parametrize("name", KNOWN)
def test_claims_have_names_of_their_own(name):
    names = [claim.name for claim in KNOWN[name].claims]
    assert len(set(names)) == len(names)
