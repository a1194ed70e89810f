"""Two tables of one experiment, and commands that run many: a real difference is told."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy import experiment as toy

from gradlab import runner
from gradlab.cli import main
from gradlab.suite import library, reproduce, store
from gradlab.suite.compare import DIFFERENT, EQUAL, INTERVALS, ROUNDING, compare, every_row

KEYS = ["spectral_radius", "seed", "step"]


def table(radii=(0.5, 1.5), seeds=20, steps=3):
    axes = pd.MultiIndex.from_product([radii, range(seeds), range(steps)], names=KEYS)
    frame = axes.to_frame(index=False)
    chance = np.random.default_rng(0)
    size = len(frame)
    return frame.assign(x=chance.normal(size=size), solved=chance.integers(0, 2, size), status="ok")


def noisy(frame, above, shift=0.0, seed=1):
    """New values where the radius is above so much, by chance and by a shift."""
    noise = np.random.default_rng(seed).normal(shift, 1.0, len(frame))
    return frame.assign(x=frame.x + noise * (frame.spectral_radius > above))


def flipped(frame, seeds, seed=3):
    """Zeros and ones drawn again for all seeds, or ones only."""
    drawn = np.random.default_rng(seed).integers(0, 2, len(frame)) if seeds else 1
    return frame.assign(solved=drawn)


CHANGES = {
    "nothing": (lambda f: f, EQUAL),
    "the order": (lambda f: f.iloc[::-1], EQUAL),
    "a message": (lambda f: f.assign(message="a.py:3"), EQUAL),
    "the last bit": (lambda f: f.assign(x=np.nextafter(f.x, 9)), ROUNDING),
    "a thousandth": (lambda f: f.assign(x=f.x * (1 + 1e-3 * (f.spectral_radius < 1))), DIFFERENT),
    "one row": (lambda f: f.assign(x=f.x.where(f.index != 3, 0.0)), DIFFERENT),
    "a nan": (lambda f: f.assign(x=f.x.where(f.index != 3)), DIFFERENT),
    "an inf": (lambda f: f.assign(x=f.x.where(f.index != 3, np.inf)), DIFFERENT),
    "a status": (lambda f: f.assign(status=f.status.where(f.index != 3, "nan")), DIFFERENT),
    "chaos above the edge": (lambda f: noisy(f, 1.0), INTERVALS),
    "chaos below the edge": (lambda f: noisy(f, 0.0), DIFFERENT),
    "a shift above the edge": (lambda f: noisy(f, 1.0, 3.0), DIFFERENT),
    "a row less": (lambda f: f.iloc[1:], DIFFERENT),
    "a column less": (lambda f: f.drop(columns="x"), DIFFERENT),
    "other points": (lambda f: f.assign(step=f.step + 7), DIFFERENT),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_told(name):
    change, word = CHANGES[name]
    found = compare(change(table()), table(), KEYS, KEYS[:2])
    assert found.word == word, found


def test_the_reason_names_column_rows_and_size():
    frame = table()
    found = compare(frame.assign(x=frame.x * (1 + 1e-9)), frame, KEYS, KEYS[:2])
    assert found.reason == "120 rows, largest relative difference 1e-09, in x"
    found = compare(frame.assign(x=frame.x + 1e-14), frame, KEYS, KEYS[:2])
    assert found.reason == "120 rows, no difference above 1e-12"
    found = compare(frame.assign(x=frame.x.where(frame.index != 3)), frame, KEYS, KEYS[:2])
    assert found.reason == "x in 1 rows"
    found = compare(noisy(frame, 1.0, 9.0), frame, KEYS, KEYS[:2])
    assert found.reason == "x is larger in 20 of the 20 blocks apart"


def test_trainings_are_held_by_their_shares():
    frame = table(steps=1, seeds=60)
    assert compare(flipped(frame, True), frame, KEYS, KEYS[:2], every_row).word == INTERVALS
    assert compare(flipped(frame, False), frame, KEYS, KEYS[:2], every_row).word == DIFFERENT


def test_rounding_alone_is_rarely_called_a_difference():
    """120 steps of one seed move together: blocks are counted, not rows."""
    frame = table(steps=40)
    move = frame.assign(seed=frame.seed + 100 * (frame.spectral_radius > 1))
    wrong = 0
    for seed in range(100):
        walk = np.random.default_rng(seed).normal(size=200)
        new = frame.assign(x=frame.x + walk[move.seed])
        wrong += compare(new, frame, KEYS, KEYS[:2], every_row).word == DIFFERENT
    assert wrong <= 12  # 5 % are expected at most; more than 12 of 100 have a chance of 0.1 %


@pytest.fixture
def home(tmp_path, monkeypatch, undrawn):
    """A working folder with the toy as its one experiment."""
    (tmp_path / "experiments").mkdir()
    shutil.copy(Path(__file__).parent / "toy.py", tmp_path / "experiments")
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "experiments")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_reproduce_compares_and_leaves_results_alone(home, capsys):
    main(["run", "toy"])
    before = {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}
    assert main(["reproduce"]) == 0
    out = capsys.readouterr().out
    assert "[1/1] toy: about 0." in out and "toy: equal: 12 rows, bit for bit" in out
    assert main(["reproduce", "toy", "--quick"]) == 0
    assert "toy: equal: 3 rows, bit for bit" in capsys.readouterr().out
    assert main(["reproduce", "toy", "--set", "seed=1,2"]) == 0
    assert "toy: equal: 6 rows, bit for bit" in capsys.readouterr().out
    assert main(["reproduce", "toy", "--set", "length=9"]) == 1
    assert "no row stands in both tables" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in before}


def test_reproduce_and_diff_exit_with_one_for_a_difference(home, capsys):
    frame = runner.run(toy)
    digest = store.write(frame.assign(decades=frame.decades * 1.1), "results/toy.parquet")
    store.write_json({store.TABLE: digest}, "results/toy.json")
    assert main(["reproduce", "toy"]) == 1
    out = capsys.readouterr().out
    assert "toy: different: decades in 8 rows, up to " in out
    scratch = Path(out.rpartition("the new table is in ")[2].strip(") \n"))
    assert main(["diff", "toy", str(scratch / "toy.parquet")]) == 1
    assert "different: decades in 8 rows" in capsys.readouterr().out
    assert main(["diff", "toy", "toy"]) == 0
    (scratch / "toy.parquet").rename("a.parquet")
    assert main(["diff", "a.parquet", "a.parquet"]) == 0
    shutil.rmtree(scratch)
    assert main(["diff", "toy", "b.parquet"]) == 2
    assert main(["reproduce", "nothing"]) == 2


def test_times_are_not_compared(home, monkeypatch):
    runner.run(toy)
    monkeypatch.setattr(toy, "alone", True)
    assert str(reproduce.reproduce(toy)) == "times: not compared"


def test_run_all_goes_on_after_a_failure(home, capsys):
    text = Path("experiments/toy.py").read_text(encoding="utf-8")
    Path("experiments/broken.py").write_text(
        text.replace('"length": 10', '"length": 0'), encoding="utf-8"
    )
    assert main(["run", "--all"]) == 2
    out = capsys.readouterr().out
    assert "broken failed: length 0: not at least 1" in out
    assert out.endswith("broken: failed\ntoy: ok\n") and "[2/2] toy: about" in out
    Path("experiments/broken.py").write_text(
        text.replace('"length": 10', '"length": 9'), encoding="utf-8"
    )
    assert main(["run", "--all", "--quick"]) == 0
    assert main(["run", "--all"]) == 1
    assert main(["run", "toy", "--all"]) == 2


def test_a_table_from_before_there_was_a_column_is_reproduced(home, capsys):
    frame = runner.run(toy)
    digest = store.write(frame.drop(columns="mix"), "results/toy.parquet")
    store.write_json({store.TABLE: digest}, "results/toy.json")
    assert main(["reproduce", "toy"]) == 0
    said = capsys.readouterr().out
    assert "toy: equal: 12 rows, bit for bit; the table is older than mix" in said
    digest = store.write(frame.assign(more=1.0), "results/toy.parquet")
    store.write_json({store.TABLE: digest}, "results/toy.json")
    assert main(["reproduce", "toy"]) == 1
    assert "only the old table has more" in capsys.readouterr().out
