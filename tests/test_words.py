"""The glossary: each setting and column of every table is described, each choice is a real one."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gradlab import words
from gradlab.suite import library, work

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NAMES = sorted(file.stem for file in REFERENCE.glob("*.parquet"))
EXPERIMENTS = {name: library.load(name) for name in NAMES}


def own(name):
    return work.columns(EXPERIMENTS[name].measure)


def module(experiment):
    return str(experiment.measure).partition(":")[0]


def columns(name):
    parameters = {*EXPERIMENTS[name].axes, *EXPERIMENTS[name].constants}
    return [c for c in pq.read_schema(REFERENCE / f"{name}.parquet").names if c not in parameters]


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_constant_and_column_of_a_committed_table_is_described(name):
    described, experiment = own(name), EXPERIMENTS[name]
    parameters = [*experiment.axes, *experiment.constants]
    assert not [p for p in parameters if not words.setting(p, described)]
    assert not [c for c in columns(name) if not words.column(c, described)]


def test_no_description_is_of_nothing():
    parameters = {p for e in EXPERIMENTS.values() for p in (*e.axes, *e.constants)}
    named = {words.pattern(column) for name in NAMES for column in columns(name)}
    assert not set(words.glossary()[words.SETTINGS]) - parameters
    assert not set(words.glossary()[words.COLUMNS]) - named


# An LSTM's and a GRU's, and what is newer than the tables.
ELSEWHERE = {
    "log10_cell_gradient_lag_N", "log10_norm_b_recurrent", "not_finite", "share_not_finite",
}  # fmt: skip


def test_no_measure_describes_what_it_does_not_have():
    left = {name: set(own(name)) for name in NAMES}
    for name, experiment in EXPERIMENTS.items():
        for other in NAMES:
            if module(EXPERIMENTS[other]) == module(experiment):
                left[name] -= {*columns(other), *map(words.pattern, columns(other))}
                left[name] -= {*EXPERIMENTS[other].axes, *EXPERIMENTS[other].constants}
    assert not set().union(*left.values()) - ELSEWHERE


@pytest.mark.parametrize("setting", words.CHOICES)
def test_the_values_of_a_setting_are_among_its_choices(setting):
    used = set()
    for experiment in EXPERIMENTS.values():
        used |= {value for part in experiment.grid for value in part.get(setting, ())}
        used |= {experiment.constants[setting]} if setting in experiment.constants else set()
    assert used and used - {None} <= set(words.choices(setting))


def test_choices_are_found_where_they_live(monkeypatch, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    assert {"mine", "adding"} < set(words.choices("task"))
    assert words.choices("seed") == ()


def test_a_number_in_a_name_stands_for_any():
    assert words.pattern("log10_gradient_lag_20") == "log10_gradient_lag_N"
    assert words.pattern("singular_value_p50") == "singular_value_pN"
    assert words.pattern("eigenvalue_1_real") == "eigenvalue_N_real"
    assert words.pattern("float32_norm_all") == "float32_norm_all"
    assert words.column("log10_gradient_lag_7").startswith("log10 of ||dL/dh_{T-N}||")
    assert words.column("x_3", {"x_N": "mine"}) == "mine" and words.column("y_3") == ""


def test_a_measures_own_words_come_first():
    assert words.setting("column", {"column": "of an entry"}) == "of an entry"
    assert "`file`" in words.setting("column") and words.setting("nothing") == ""


def test_entries_have_all_their_names():
    ((section, name, _),) = words.entries("Batch Element")
    assert (section, name) == (words.WORDS, "lane, batch element")
    assert len(words.entries("omega")) == 2 and words.entries("no such word") == []
    text = words.FILE.read_text()
    assert text.count("\n- **") == sum(len(known) for known in words.glossary().values())


FIGURES = (
    "alpha", "attractor", "baseline", "blind", "block", "bound", "ceiling", "chance", "chaos",
    "chi", "chunk", "closed form", "critical", "decade", "decades a step", "departure", "detour",
    "dimension", "diverged", "dominant", "draw", "driven", "edge", "entropy", "exponent",
    "fed back", "floor", "fold", "forget bias", "forward mode", "free probability", "gain", "goal",
    "highway", "Jacobian", "lag", "lane", "law", "Lyapunov", "mean field", "memory capacity",
    "moonshot", "nudge", "Omega", "persistence", "plateau", "pre-activation", "quick run", "rate",
    "ratio", "reference run", "reverse mode", "rho", "rule of thumb", "seed", "share", "sigma_max",
    "singular value", "solved", "spectral radius", "sweep", "threshold", "tied", "wall", "Wilson",
    "window",
)  # fmt: skip


@pytest.mark.parametrize("word", FIGURES)
def test_a_word_on_the_figures_has_an_entry(word):
    drawn = [*(ROOT / "experiments").glob("*.py"), *(ROOT / "gradlab" / "plots").glob("*.py")]
    assert any(word.lower() in file.read_text("utf-8").lower() for file in drawn), "not a figure's"
    sections = {section for section, *_ in words.entries(word)}
    assert sections & {words.WORDS, words.LETTERS}


def test_the_letters_of_the_arrays_have_entries():
    for letter in ("T", "B", "N", "D", "O", "U", "W", "V", "b", "c", "h_t", "x_t", "y_t", "rho"):
        assert [e for e in words.entries(letter) if e[0] == words.LETTERS], letter


def test_a_column_of_a_layer_is_described_as_that_of_the_lowest():
    own = {"log10_norm_W": "of W", "log10_gradient_lag_N": "by lag"}
    assert words.column("log10_norm_W_l1", own) == "of W; of layer 1, 0 the lowest"
    assert words.column("log10_norm_W_l0_reverse", own) == "of W; of layer 0, 0 the lowest, reverse"
    assert words.column("log10_gradient_lag_20", own) == "by lag"
    assert words.column("nothing_l1", own) == ""
