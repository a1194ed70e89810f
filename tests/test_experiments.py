"""What every experiment promises: its measure runs, its figure is drawn, its claims can fail.

Experiments are found, not listed: a new one is tested without touching this file.
"""

import hashlib
import json
import math
import subprocess
from contextlib import suppress
from dataclasses import replace
from numbers import Real
from pathlib import Path

import pytest

from gradlab import runner
from gradlab.errors import UserError
from gradlab.plots import draw, style
from gradlab.plots.page import is_empty as empty
from gradlab.suite import NotMeasured, library, store
from gradlab.suite.claims import in_words
from gradlab.suite.grid import changed
from gradlab.suite.sweep import sweep

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NAMES = sorted(file.stem for file in (ROOT / "experiments").glob("[!_]*.py"))
EXPERIMENTS = {name: library.load(name) for name in NAMES}
CLAIMS = [(name, claim.name) for name in NAMES for claim in EXPERIMENTS[name].claims]
RIVALS = [
    (name, claim.name, words)
    for name in NAMES
    for claim in EXPERIMENTS[name].claims
    for words in claim.rivals
]
SCALED = [
    (name, claim.name)
    for name in NAMES
    for claim in EXPERIMENTS[name].claims
    if claim.kind == "equals" and claim.bound != 0  # 0 has no scale
]
# The smallest budget of a constant of this name.
LEAST = {
    "updates": 10, "evaluate_every": 10, "evaluation_size": 10, "batch": 4, "batch_size": 2,
    "rounds": 1, "epochs": 1, "shrink": 8, "hidden_size": 8, "flossing_updates": 4,
    "blocks": 4, "radii": 2, "words": 400, "sentences": 20,
}  # fmt: skip
# Settings that a claim may or may not be about: all that a constant or axis of this name can be.
OTHERS = {
    "activation": ["relu", "identity"], "init": ["orthogonal"], "cell": ["gru"],
    "task": ["random_permutation"], "optimizer": ["adam", "sgd"], "clip_style": ["value"],
    "clip_per": ["lane"], "omega": [1.0], "interval": [0.3], "input_scale": [2.0],
    "spectral_radius": [3.0], "hidden_size": [1], "sequence_length": [40],
    "layers": [2], "bidirectional": [True], "dtype": ["float32"],
}  # fmt: skip
SETTINGS = [
    (name, key, value)
    for name in NAMES
    for key in (*EXPERIMENTS[name].axes, *EXPERIMENTS[name].constants)
    for value in OTHERS.get(key, ())
    if value != EXPERIMENTS[name].constants.get(key)
]


def tiny(experiment, **values):
    """The experiment on the first and the last value of each axis, one seed, least budgets."""
    quick = changed(experiment, experiment.quick)
    known = {name: LEAST[name] for name in quick.constants if name in LEAST}
    small = changed(quick, known)
    for part in small.grid:
        for axis, given in part.items():
            part[axis] = few(axis, given)
    return changed(small, values)


def few(axis, given):
    if axis == "seed":
        return given[:1]
    if axis == "update":
        return given[:2]
    return list(dict.fromkeys([given[0], given[-1]]))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """name -> the table of its tiny grid, measured once."""
    folder, known = tmp_path_factory.mktemp("tiny"), {}

    def table(name):
        if name not in known:
            known[name] = sweep(tiny(EXPERIMENTS[name]), folder, 2)[0]
        return known[name]

    return table


@pytest.fixture(scope="module")
def reference():
    """name -> the committed table."""
    known = {}

    def table(name):
        if name not in known:
            known[name] = EXPERIMENTS[name].completed(runner.read(name, REFERENCE))
        return known[name]

    return table


def drawn(experiment, frame, laid_out=True):
    """The figure; its layout, and with it every label, takes longer than all else."""
    with style.style():
        figure = draw.drawn(experiment, frame)
        if laid_out:
            figure.draw_without_rendering()
    return figure


def assert_full(figure):
    bare = [panel.get_title(loc="left") for panel in figure.axes if empty(panel)]
    assert not bare, f"empty panels: {bare}"


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_grid_of_the_real_measure_runs(small, name):
    frame = small(name)
    wrong = frame[frame.status == "error"]
    assert wrong.empty, wrong.message.iloc[0]
    verdicts = [claim.judge(frame) for claim in EXPERIMENTS[name].claims]
    assert not [str(v) for v in verdicts if v.outcome == "FALLS SHORT"]


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_is_drawn_from_a_tiny_table(small, name):
    figure = drawn(EXPERIMENTS[name], small(name), laid_out=False)
    assert not any(map(empty, figure.axes))


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_is_drawn_from_the_reference_table(reference, name):
    figure = drawn(EXPERIMENTS[name], reference(name))
    assert_full(figure)
    assert figure.get_suptitle() != EXPERIMENTS[name].question


@pytest.mark.parametrize(("name", "title"), CLAIMS)
def test_a_claim_holds_on_the_reference_table_and_its_control_is_refused(reference, name, title):
    claim = next(claim for claim in EXPERIMENTS[name].claims if claim.name == title)
    frame = reference(name)
    assert claim.judge(frame).outcome == "ok", claim.judge(frame)
    wrong = claim.judge(claim.control(frame.copy()))
    assert wrong.outcome == "FALLS SHORT" and not math.isnan(wrong.measured), wrong
    for rule in (claim.measured, claim.bound, claim.control):
        named = isinstance(rule, Real) or in_words(rule) != getattr(rule, "__name__", "")
        assert named, f"{rule} says in words what it reads, or what is wrong with a table"


@pytest.mark.parametrize(("name", "title", "words"), RIVALS)
def test_what_a_rival_expects_is_refused_by_the_reference_table(reference, name, title, words):
    claim = next(claim for claim in EXPERIMENTS[name].claims if claim.name == title)
    verdict = claim.rival(words).judge(reference(name))
    assert verdict.outcome == "FALLS SHORT" and math.isfinite(verdict.expected), verdict


@pytest.mark.parametrize(("name", "title"), SCALED)
def test_a_half_a_quarter_or_twice_of_what_is_expected_is_refused(reference, name, title):
    """A variance without its factor, a rate without its square root: within= is narrower."""
    claim = next(claim for claim in EXPERIMENTS[name].claims if claim.name == title)
    frame = reference(name)
    read = claim.judge(frame)
    known = replace(claim, measured=lambda _: read.measured, rivals={}, also=())
    for factor in (0.25, 0.5, 2.0):
        verdict = replace(known, equals=factor * read.expected).judge(frame)
        assert verdict.outcome == "FALLS SHORT" and math.isfinite(verdict.expected), verdict


@pytest.mark.parametrize("name", NAMES)
def test_claims_have_names_of_their_own(name):
    names = [claim.name for claim in EXPERIMENTS[name].claims]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "key", "value"), SETTINGS)
def test_no_claim_falls_short_where_it_is_not_about_the_setting(tmp_path, name, key, value):
    experiment = tiny(EXPERIMENTS[name], **{key: value})
    try:
        frame = sweep(experiment, tmp_path, 2)[0]
    except UserError as refused:
        assert "every block failed" not in str(refused), refused
        return
    assert not (frame.status == "error").any(), frame.message.max()
    verdicts = [claim.judge(frame) for claim in experiment.claims]
    assert not [str(v) for v in verdicts if v.outcome == "FALLS SHORT"]
    with style.style(), suppress(NotMeasured):
        draw.drawn(experiment, frame)


LEARNT = [name for name in NAMES if EXPERIMENTS[name].claims
          and "updates" in (*EXPERIMENTS[name].axes, *EXPERIMENTS[name].constants)]  # fmt: skip


@pytest.mark.parametrize("name", LEARNT)
def test_no_claim_about_learning_falls_short_where_a_value_of_an_axis_is_missing(reference, name):
    """The rest of the table is right: a claim that needs the value is not measured without it."""
    experiment, whole = EXPERIMENTS[name], reference(name)
    for axis in {*experiment.axes} - {"seed", "update"}:
        for value in set(whole[axis]):
            frame = whole[whole[axis] != value]
            verdicts = [claim.judge(frame) for claim in experiment.claims if len(frame)]
            short = [str(v) for v in verdicts if v.outcome == "FALLS SHORT"]
            assert not short, (axis, value)


def test_a_reference_run_names_a_clean_commit_of_this_repository():
    def git(*words):
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
        return done.returncode, done.stdout.strip()

    if not (ROOT / ".git").exists() or git("rev-parse", "--is-shallow-repository")[1] != "false":
        pytest.skip("no whole git history here: commits cannot be looked up")
    wrong = []
    for name in NAMES:
        groups = json.loads((REFERENCE / f"{name}.json").read_text())["computed_by"]
        commits = [group["commit"] or "" for group in groups]
        if any(
            c.endswith("+") or git("merge-base", "--is-ancestor", c, "HEAD")[0] for c in commits
        ):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_table_is_under_its_digest(name):
    said = store.read_json(REFERENCE / f"{name}.json")
    content = (REFERENCE / f"{name}.parquet").read_bytes()
    assert said[store.TABLE] == hashlib.sha256(content).hexdigest()


def test_a_panel_of_nothing_but_edges_is_empty():
    _, (bare, full) = style.panels(1, 2)
    for panel in (bare, full):
        panel.axhline(1)
        panel.axvline(1)
        panel.plot([], [])
        panel.plot([1.0], [math.nan])
    assert empty(bare)
    full.plot([1.0], [2.0])
    assert not empty(full)


def test_a_figure_says_no_more_than_its_table(reference, small):
    experiment = EXPERIMENTS["spectral_radius"]
    figure = drawn(experiment, reference("spectral_radius"), laid_out=False)
    assert "vanish below" in figure.get_suptitle()
    assert "quick run" not in [text.get_text() for text in figure.texts]
    wrong = experiment.claims[-1].control(reference("spectral_radius"))
    figure = drawn(experiment, wrong, laid_out=False)
    assert figure.get_suptitle() == experiment.question
    assert "this table does not bear out: its early half vanishes" in figure.get_supxlabel()
    figure = drawn(experiment, small("spectral_radius"), laid_out=False)
    assert figure.get_suptitle() == experiment.question
    assert "not measured by this table: input scale 0.1 flattens tanh; " in figure.get_supxlabel()
