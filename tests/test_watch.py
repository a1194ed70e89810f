"""Other people's logs: which columns are meant, what is left out, what is refused in one line."""

import json
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.watching import columns, sources
from gradlab.watching.watched import How

EVENTS = Path(__file__).parent / "golden" / "events"
HOW = How.of({}, (), None, None, None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def seen(text, name="run.csv", **options):
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return gradlab.watch(name, **options)


def rows(watched):
    own = watched.log
    return list(zip(own.update.tolist(), own.norm.tolist(), strict=True))


TWO = [(1.0, 0.5), (2.0, 0.25)]
SAME = {
    "plain": "update,norm\n1,0.5\n2,0.25\n",
    "no end": "update,norm\n1,0.5\n2,0.25",
    "windows": "update,norm\r\n1,0.5\r\n2,0.25\r\n",
    "old mac": "update,norm\r1,0.5\r2,0.25\r",
    "bom": b"\xef\xbb\xbfupdate,norm\n1,0.5\n2,0.25\n",
    "semicolons": "step;grad_norm\n1;0.5\n2;0.25\n",
    "decimal commas": "step;grad_norm\n1;0,5\n2;0,25\n",
    "tabs": "iteration\tgradient_norm\n1\t0.5\n2\t0.25\n",
    "comments": "# of today\n\nupdate,norm\n# begun\n1,0.5\n#a,b\n2,0.25\n",
    "savetxt": "# update,norm\n1.0e+00,5e-1\n2.0,.25\n",
    "header again": "update,norm\n1,0.5\nupdate,norm\n2,0.25\n",
    "cut lines": "update,norm\n1,0.5\n7\n2,0.25\n2,0.25,3\n",
    "quoted": '"Step","run 7 - train/grad_norm","run 7 - train/grad_norm__MIN","note"\n'
    '"1","0.5","0.5","a, b"\n"2","0.25","0.2",""\n',
    "sparse": "epoch,step,train/grad_norm,val_loss\n0,1,0.5,\n0,1,,0.7\n0,2,0.25,\n0,2,,0.6\n",
    "empty cells": "update,norm\n1,0.5\n1,\n2, NA \n2,0.25\n,3\n",
    "unordered": "update,norm\n2,0.25\n1,0.5\n",
    "told twice": "update,norm\n1,0.5\n2,9\n2,0.25\n",
    "rows only": "norm\n0.5\n\n0.25\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_however_a_csv_is_written_it_holds_the_same(kind):
    assert rows(seen(SAME[kind])) == TWO


ONE, OTHER = '{"update": 1, "norm": 0.5}\n', '{"update": 2, "norm": 0.25}\n'
JSON = {
    "plain": ONE + OTHER,
    "nested": '{"step": 1, "train": {"norm": 0.5}}\n{"step": 2, "train": {"norm": "0.25"}}',
    "kinds": ONE + '{"update": 1, "val": 2}\n\n{"norm": 0.25, "a": [1], "update": 2}\n',
    "null": ONE + '{"update": 2, "norm": null}\n' + OTHER,
    "cut": ONE + '{"update": 2, "no\n[1]\n7\n' + OTHER,
    "no updates": '{"norm": 0.5}\n{"norm": 0.25}\n',
}


@pytest.mark.parametrize("kind", JSON)
def test_json_lines(kind):
    assert rows(seen(JSON[kind], "run.jsonl")) == TWO


def test_what_is_not_finite_is_a_norm_and_what_is_empty_is_none():
    text = "update,norm\n1,nan\n2,inf\n3,-Infinity\n4,NaN\n5,\n6,Infinity\n7,1e999\n8,2\n"
    with pytest.raises(UserError, match="norm is -inf at update 3"):
        seen(text)
    found = seen(text.replace("-Inf", "Inf")).found
    assert (found.nan.tolist(), found.inf.tolist()) == ([0, 3], [1, 2, 4, 5])
    assert found.median == found.largest == 2
    lines = '{"norm": NaN}\n{"norm": Infinity}\n{"norm": "nan"}\n{"norm": 1' + "0" * 400 + "}\n"
    found = seen(lines, "run.jsonl").found
    assert (found.nan.tolist(), found.inf.tolist()) == ([0, 2], [1, 3])


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("grad_norm", "norm"), ("train/grad-norm", "norm"), ("Gradient Norm", "norm"),
        ("grad/norm", "norm"), ("total_norm", "norm"), ("grad_2.0_norm_total", "norm"),
        ("optim/total_grad_norm", "norm"), ("train/grad_norm_step", "norm"), ("gnorm", "norm"),
        ("fine run - train/global_grad_norm", "norm"), ("norm_before", "norm"),
        ("trainer/global_step", "update"), ("_step", "update"), ("Iteration", "update"),
        ("train_loss", "loss"), ("train/loss_step", "loss"), ("max_grad_norm", "threshold"),
        ("gradient_clip_val", "threshold"),
    ],
)  # fmt: skip
def test_a_name_of_somebody_else_is_understood(name, role):
    names = ["epoch", "val_loss", name] + ["norm"] * (role != "norm")
    assert columns.chosen(names, {}, "log")[role] == name


@pytest.mark.parametrize("name", ["normal", "weight_norm", "grad_norm_after", "eval_loss", "epoch"])
def test_a_name_of_something_else_is_not(name):
    assert name not in columns.there([name, "grad_norm"], {}, "log").values()


def test_columns_by_name():
    text = "a,b,c,norm\n1,0.5,7,8\n2,0.25,7,8\n"
    watched = seen(text, norm="b", update="a", loss="c")
    assert rows(watched) == TWO and watched.log.loss.tolist() == [7, 7]


def test_several_runs_in_one_file():
    one = "".join(f"{u},{1.5 + u}\n" for u in range(10))
    two = "".join(f"{u},{30 + u}\n" for u in range(7))
    text = f"step,norm\n{one}step,norm\n{two}"
    last, first = seen(text), seen(text, run=1)
    assert (last.log.run, last.log.runs, len(last.log.norm)) == (2, 2, 7)
    assert rows(first) == [(float(u), 1.5 + u) for u in range(10)]
    assert last.log.medians == (6.0, 33.0)
    with pytest.raises(UserError, match=r"--run 3: run.csv holds 2 runs"):
        seen(text, run=3)


def test_what_was_read_twice_or_out_of_order_is_told():
    watched = seen("update,norm\n0,1\n1,2\n2,3\n3,4\n4,9\n3,5\n4,6\n5,\nx,1\n")
    assert rows(watched) == [(0, 1), (1, 2), (2, 3), (3, 5), (4, 6)]
    told = watched.text
    assert "1 row without a norm is left out" in told and "2 rows tell an update again" in told
    assert "1 row not as the header says is left out" in told


WRONG = {
    "": "is empty: it has no header yet",
    "# nothing\n": "is empty",
    "update,norm\n": "holds no norms",
    "update,norm\n1,\n": "holds no norms",
    "update,norm\n1,a\n": "holds no norms: norm is 'a'",
    "1,0.5\n2,0.25\n": "begins with 1,0.5: no header?",
    "update,size\n1,2\n": "has no column of norms (columns: update, size): --norm names one",
    "update,run a - grad_norm,run b - grad_norm\n1,2,3\n": "--norm names one of them",
    "update,norm\n3,-0.25\n": "norm is -0.25 at update 3, a norm is never below 0",
    b"update,norm\n1,\xff\n": "is not UTF-8",
    b"\xff\xfeu\0p\0": "is UTF-16: save it as UTF-8",
    b"\x89PNG\r\n\x1a\n\0\0\0": "holds bytes that no text has",
    "update,norm\n" + "1" * 2**21: "has a line of more than",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_no_log_is_refused_in_one_line(text, capsys):
    Path("run.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["watch", "run.csv"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("gradlab: run.csv") and WRONG[text] in err and err.count("\n") == 1
    assert not out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.csv", "no file none.csv"),
        ("run.xlsx", "run.xlsx: a log is .csv, .tsv"),
        ("good.csv --norm nrom", "--norm nrom: good.csv has no such column: did you mean norm?"),
        ("good.csv --threshold -1", "threshold=-1: must be a number >= 0"),
        ("good.csv --threshold nan", "threshold=nan: must be a finite number"),
        ("good.csv --threshold a", "a is not a number"),
        ("good.csv --steps 0", "0 is not a whole number above 0"),
        ("good.csv --reduction max", "invalid choice: 'max'"),
        ("good.csv --figure f.gif", "--figure f.gif: not a file .png, .pdf or .svg"),
        ("good.csv --follow --json", "--follow --json: give one of them"),
        ("good.csv --run 2", "--run 2: good.csv holds 1 run"),
        ("bad.jsonl", "bad.jsonl holds no lines of JSON objects"),
        ("other.jsonl", "other.jsonl has no column of norms (columns: a)"),
        ("bad.parquet", "bad.parquet cannot be read as Parquet"),
        ("text.parquet", "text.parquet: column norm holds"),
        ("watch/good.parquet --results .", "would be written over the log"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, capsys):
    Path("good.csv").write_text("update,norm\n1,0.5\n2,0.25\n", encoding="utf-8")
    Path("bad.jsonl").write_text("{\n", encoding="utf-8")
    Path("other.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    Path("bad.parquet").write_bytes(b"PAR1" * 9)
    Path("watch").mkdir()
    pd.DataFrame({"norm": ["1", "2"]}).to_parquet("text.parquet")
    pd.DataFrame({"norm": [1.0]}).to_parquet("watch/good.parquet")
    assert main(["watch", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_parquet_holds_the_same_as_csv():
    frame = pd.DataFrame({"step": [1, 2, 3], "grad_norm": [0.5, 0.25, np.nan], "text": list("abc")})
    frame.to_parquet("run.parquet")
    watched = gradlab.watch("run.parquet")
    assert rows(watched) == TWO and "1 row without a norm is left out" in watched.log.notes
    pq.write_table(pa.table({"norm": pa.array([1.0, float("nan"), None])}), "nan.parquet")
    assert gradlab.watch("nan.parquet").found.nan.tolist() == [1]


def test_a_parquet_bomb_is_refused_before_it_is_unpacked():
    zeros = pa.table({"norm": pa.array(np.zeros(1_000_000))})
    with pq.ParquetWriter("bomb.parquet", zeros.schema, compression="zstd") as writer:
        for _ in range(51):
            writer.write_table(zeros)
    assert Path("bomb.parquet").stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(UserError, match=r"bomb.parquet is too large \(51,000,000 rows"):
        gradlab.watch("bomb.parquet")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_header_of_one_huge_field_is_no_header():
    Path("huge.csv").write_text("a" * 200_000, encoding="utf-8")
    with pytest.raises(UserError, match=r"huge.csv begins with no header of names: field larger"):
        gradlab.watch("huge.csv")


def test_a_fifo_or_device_is_no_file():
    with pytest.raises(UserError, match="is no file"):
        sources.status(Path("/dev/null"))


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_event_files_as_pytorch_and_tensorflow_write_them(kind):
    pytest.importorskip("tensorboard")
    watched = gradlab.watch(EVENTS / kind)
    step = 10.0 if kind == "torch" else 1.0
    assert watched.log.update.tolist() == [step * i for i in range(1, 7)]
    np.testing.assert_array_equal(watched.log.norm, [2, 1.5, np.nan, 1.25, np.inf, 1])
    if kind == "torch":
        expected = np.float32([1, np.nan, 1 / 3, np.nan, 1 / 5, np.nan])
        np.testing.assert_array_equal(watched.log.loss, expected)
        assert watched.log.names["norm"] == "train/grad_norm"
    with pytest.raises(UserError, match=r"holds 2 runs: give one of .*keras, .*torch"):
        gradlab.watch(EVENTS)
    (file,) = (EVENTS / kind).iterdir()
    assert len(gradlab.watch(file).log.norm) == 6
    with pytest.raises(UserError, match="holds no event files"):
        gradlab.watch(Path())


def test_without_tensorboard_one_line_says_what_to_install(monkeypatch, capsys):
    reader = "tensorboard.backend.event_processing.event_accumulator"
    monkeypatch.setitem(sys.modules, reader, None)
    assert main(["watch", str(EVENTS / "torch")]) == 2
    err = capsys.readouterr().err
    assert err == "gradlab: event files need TensorBoard: pip install 'gradlab[tensorboard]'\n"


def test_tables_arrays_and_trainings_are_logs():
    frame = pd.DataFrame({"step": [1, 2], "grad_norm": [0.5, 0.25]})
    for table in (frame, frame.to_dict("list"), [0.5, 0.25], np.array([0.5, 0.25])):
        assert rows(gradlab.watch(table)) == TWO
    assert gradlab.watch([1.0, np.nan, np.inf]).found.nan.tolist() == [1]
    net = gradlab.Network.draw(inputs=2, hidden=4, outputs=1)
    plan = gradlab.Plan(sequence_length=7, updates=25, batch=2, clip_threshold=0.3)
    training = gradlab.train(net, "adding", plan)
    watched = gradlab.watch(training)
    assert watched.log.norm.tolist() == list(training.norms)
    clipped = next(row.clipped for row in watched.thresholds if "the log's own" in row.name)
    assert clipped == np.mean(training.shares)
    assert "T = 7" in watched.advice[-1] and "sum over the steps" in watched.advice[-1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"norm": [1, 2], "step": [1]}, "as long as each other, not norm 2, step 1"),
        ({"norm": ["a"]}, "norm must hold real numbers"),
        ({"a": [1]}, "table has no column of norms"),
        ([], "table holds no norms"),
        ([[1.0]], "norm must be a column of numbers"),
        (5.0, "norm must be a column of numbers"),
    ],
)
def test_what_is_no_table_is_one_line(table, message):
    with pytest.raises(UserError, match=re.escape(message)):
        gradlab.watch(table)


def test_results_and_figure_and_json(capsys):
    norms = np.random.default_rng(0).lognormal(size=200)
    norms[50], norms[70] = 1e3, np.inf
    text = "update,norm\n" + "".join(f"{i},{norm}\n" for i, norm in enumerate(norms))
    Path("run.csv").write_text(text, encoding="utf-8")
    assert main(["watch", "run.csv", "--results", "r", "--figure", "f.svg"]) == 0
    out = capsys.readouterr().out
    assert "wrote r/watch/run.parquet\nwrote r/watch/run.png\n" in out and "wrote f.svg\n" in out
    table = pd.read_parquet("r/watch/run.parquet")
    np.testing.assert_array_equal(table.norm, norms)
    assert table["update"][table.spike].tolist() == [50]
    assert table["update"][~table.finite].tolist() == [70]
    assert Path("r/watch/run.png").read_bytes()[:4] == b"\x89PNG" and "<svg" in Path(
        "f.svg"
    ).read_text(encoding="utf-8")
    assert main(["watch", "run.csv", "--json", "--threshold", "2"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["not_finite"] == {"nan": [], "inf": [70.0]} and said["updates"] == 200
    assert said["spikes"][0]["update"] == 50 and said["median"] == np.median(np.delete(norms, 70))
    given = [row for row in said["thresholds"] if row["name"] == "given: --threshold"]
    assert given[0]["clipped"] == np.mean(np.delete(norms, 70) >= 2)


def test_a_notebook_shows_the_words_and_the_figure():
    shown = gradlab.watch([1.0, 2.0, 3.0], threshold=1.5)._repr_html_()
    assert shown.startswith("<pre>table: 3 updates") and 'src="data:image/png;base64,' in shown


def test_a_log_without_norms_says_what_it_has_instead():
    for text, said in [
        ("update,norm\nx,1\ny,2\n", "2 rows not as the header says"),
        ("update,norm\nnan,1\n", "1 row without an update"),
        ("update,norm,loss\n1;2;3\n", "1 row not as the header says"),
    ]:
        Path("log.csv").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=f"holds no norms: .*{said}|norms: {said}"):
            gradlab.watch("log.csv")


def test_words_hold_where_norms_are_zero_or_all_the_same():
    zero = gradlab.watch(np.zeros(30))
    assert zero.advice[0].startswith("Every finite norm is 0")
    assert "safety net" not in " ".join(zero.advice)
    same = {row.name: row.clipped for row in gradlab.watch(np.full(30, 2.5)).thresholds}
    assert same["P90"] == same["P99"] == 1.0
    spread = {row.name for row in gradlab.watch(np.linspace(1, 2, 200)).thresholds}
    assert {"P90: clips one update in ten", "P99: clips one in a hundred"} <= spread


def test_a_threshold_below_zero_is_none():
    seen = gradlab.watch({"norm": np.linspace(1, 2, 30), "clip_threshold": np.full(30, -1.0)})
    assert "a threshold below 0 is taken for none" in seen.text
    assert seen.advice[0].startswith("No threshold is told")
