"""The race: taking turns, proof of the same gradients, peers that are missing or wrong."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gradlab.suite import library
from gradlab.suite.grid import Block
from race import (
    agree,
    arithmetic,
    blas,
    ceiling,
    clock,
    growth,
    measure,
    ours,
    process,
    sentences,
    with_jax,
    with_torch,
    works,
)

KINDS = {work.kind: name for name, work in works.WORKS.items()}
OTHERS = [
    name for name, work in works.WORKS.items()
    if work.kind in ("cell", "training") and work.hidden < 100
]  # fmt: skip
TRIED = sorted({*KINDS.values(), *OTHERS})
PEERS = [(with_jax, form) for form in with_jax.FORMS]
PEERS += [(with_torch, form) for form in with_torch.FORMS]


def small(name, precision="float64"):
    """A work of few networks; a sweep keeps three lengths."""
    work = works.WORKS[name]
    return works.problem(work.smaller(10 if work.kind == "sweep" else 50), precision)


def block(contenders, work="minibatch", rounds=2, shrink=50, precision="float64"):
    points = {"work": work, "contender": contenders, "precision": precision}
    points = {axis: np.resize(values, len(contenders)) for axis, values in points.items()}
    return Block(points, {"rounds": rounds, "shrink": shrink})


def test_contenders_take_turns():
    calls = []
    ways = [clock.Way(name, 1, lambda name=name: calls.append(name), trial=1.0) for name in "ABC"]
    times, counts = clock.race(ways, 3)
    woken = "AABBCC"  # each turn calls once outside the clock
    assert "".join(calls) == woken * 3 and counts == [1, 1, 1] and times.shape == (3, 3)


def test_a_turn_repeats_a_quick_call_and_scales_a_part():
    calls = []
    way = clock.Way("part", 1, lambda: calls.append(0), share=0.5, trial=0.01)
    times, counts = clock.race([way], 1)
    assert counts == [10] and len(calls) == 11 and times[0, 0] > 0


def test_the_fastest_way_is_taken_and_limits_are_held_outside_the_call():
    slow, fast = (clock.Way(str(s), 1, lambda s=s: time.sleep(s)) for s in (0.02, 0.001))
    assert clock.best([slow, fast]) is fast and slow.warm >= 0.02


def test_differences_are_relative_and_nan_is_infinite():
    right = {"W": np.full((2, 3, 3), 5.0), "norm": np.array([1.0, 1e-200])}
    near = {name: value * (1 + 1e-7) for name, value in right.items()}
    assert agree.difference(near, right) == pytest.approx(1e-7, rel=1e-6)
    assert agree.difference(right, right) == 0
    assert agree.difference({**right, "W": right["W"] * np.nan}, right) == np.inf
    assert agree.difference({"W": right["W"]}, right) == np.inf
    assert agree.difference({**right, "W": right["W"][0]}, right) == np.inf


@pytest.mark.parametrize("name", works.WORKS)
def test_every_work_has_the_same_arrays_each_time(name):
    first, again = small(name), small(name)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.weights["W"], again.weights["W"])
    flops, activations = arithmetic.arithmetic(first.work)
    assert 0 < activations < flops


@pytest.mark.parametrize("name", TRIED)
@pytest.mark.parametrize(("peer", "form"), PEERS, ids=[form for _, form in PEERS])
def test_peers_compute_what_ours_does(name, peer, form):
    pytest.importorskip(peer.LIBRARY, reason=f"{peer.LIBRARY} is not installed: extra [peers]")
    for problem in works.proofs(small(name)):
        right = ours.ways(problem, "ours")[0].run()
        for way in peer.ways(problem, form)[:1]:
            error = agree.difference(measure.arrays(way.run()), way.part(right))
            assert error < agree.TOLERANCE["float64"]


def test_torch_reads_padded_sentences_as_packed_ones():
    pytest.importorskip("torch", reason="torch is not installed: extra [peers]")
    problem = small("tagger epoch")
    right = ours.ways(problem, "ours")[0].run()
    way = next(w for w in with_torch.ways(problem, "torch") if "padded" in w.form)
    assert agree.difference(measure.arrays(way.run()), right) < agree.TOLERANCE["float64"]


def test_an_epoch_is_of_the_sizes_of_ewt():
    """12,544 sentences of 16.3 words, of a standard deviation of 12.4, in 18,754 rows of 19,989."""
    work = works.WORKS["tagger epoch"]
    words, tags = sentences.drawn(np.random.default_rng(1), work)
    scored = tags != sentences.NO_TAG
    lengths = scored.sum(0)
    assert len(lengths) == 12544 and lengths.min() >= 1
    assert lengths.mean() == pytest.approx(16.3, rel=0.03)
    assert lengths.std() == pytest.approx(12.4, rel=0.03)
    assert 0.85 < len(np.unique(words[scored])) / 18754 < 1
    assert words.max() < work.words == 19989 and np.unique(tags[scored]).size == work.outputs


def test_minibatches_have_each_sentence_once_beside_those_of_its_length():
    problem = small("tagger epoch")
    made = sentences.minibatches(problem)
    read = [(*x[:n, b], *y[:n, b]) for x, y, lengths in made for b, n in enumerate(lengths)]
    every = sentences.sequences(problem)
    own = [(*x, *y) for x, y in zip(every.x, every.y, strict=True)]
    assert sorted(read) == sorted(own) and len(made) == problem.work.updates


def test_both_directions_in_one_scan_are_the_same():
    pytest.importorskip("jax", reason="jax is not installed: extra [peers]")
    problem = small("two LSTM layers both ways")
    right = ours.ways(problem, "ours")[0].run()
    for form in with_jax.FORMS:
        way = next(w for w in with_jax.ways(problem, form) if "in one scan" in w.form)
        assert agree.difference(measure.arrays(way.run()), right) < agree.TOLERANCE["float64"]


def test_512_bit_vectors_are_tried_where_the_processor_has_them(monkeypatch):
    pytest.importorskip("jax", reason="jax is not installed: extra [peers]")
    monkeypatch.setattr(blas, "_flags", lambda: AVX512)
    problem = small("minibatch")
    wide = [w for w in with_jax.ways(problem, "jax by hand") if "512-bit" in w.form]
    right = ours.ways(problem, "ours")[0].run()
    assert len(wide) == len(with_jax.UNROLL) * len({1, ceiling.cores()})
    assert agree.difference(measure.arrays(wide[0].run()), right) < agree.TOLERANCE["float64"]
    monkeypatch.setattr(blas, "_flags", lambda: AVX2)
    assert not [w for w in with_jax.ways(problem, "jax by hand") if "512-bit" in w.form]


@pytest.mark.parametrize("name", works.WORKS)
def test_what_cannot_be_saved_is_in_flops(name):
    """The product with W and its two of the way back, an activation a unit and step, at least."""
    work = works.WORKS[name]
    flops, activations = arithmetic.arithmetic(work)
    rows = work.steps * work.lanes * work.count * work.radii * max(work.updates, 1)
    square = 0 if work.cell == "jordan" else 2 * work.hidden**2
    assert flops > rows * (2 if work.kind == "lags" else 3) * square
    assert activations >= rows * work.hidden


def test_a_cell_of_four_gates_costs_four_times_as_much_but_for_its_readout():
    tanh = works.WORKS["minibatch"]
    flops, activations = arithmetic.arithmetic(replace(tanh, kind="cell"))
    assert (flops, activations) == arithmetic.arithmetic(tanh)
    readout = tanh.steps * tanh.lanes * 6 * tanh.hidden * tanh.outputs
    lstm = arithmetic.arithmetic(replace(tanh, kind="cell", cell="lstm"))
    assert lstm == (4 * (flops - readout) + readout, 5 * activations)


def test_ours_in_float32_is_near():
    right, found = (ours.ways(small("minibatch", p), "ours")[0].run() for p in agree.TOLERANCE)
    assert found["W"].dtype == np.float32 and agree.difference(found, right) < 1e-4


def test_a_sweep_is_what_each_network_alone_gives():
    problem = small("main job")
    found = ours.ways(problem, "ours")[0].run()["norm"]
    length = problem.work.lengths[1]
    one = works.Problem(
        works.Work("batch", length, 64), problem.part(slice(1, 2)).weights, np.ones(1),
        problem.x[:length], problem.y[length - 1][None],
    )  # fmt: skip
    one.weights["W"] = problem.radius[3] * one.weights["W"]
    alone = ours.ways(one, "ours")[0].run()["W"]
    assert found[1, 3, 1] == pytest.approx(np.linalg.norm(alone), rel=1e-12)


class Wrong:
    """A peer whose gradients are a millionth off."""

    LIBRARY, FORMS = "numpy", ("wrong", "broken")

    @staticmethod
    def ways(problem, form):
        if form == "broken":
            raise RuntimeError("it does\nnot start")
        right = ours.ways(problem, "ours")[0]
        return [clock.Way("off", 1, lambda: {k: v * (1 + 1e-6) for k, v in right.run().items()})]


@pytest.fixture
def rows(monkeypatch):
    """The columns of a race of ours, a wrong peer, one that raises and one that is missing."""
    monkeypatch.setitem(sys.modules, "jax", None)
    for form in Wrong.FORMS:
        monkeypatch.setitem(measure.LIBRARIES, form, Wrong)
    return measure.measure(block(["ours", "wrong", "broken", "jax"]))


def test_a_peer_without_a_form_for_a_work_is_a_row_that_says_so(monkeypatch):
    nothing = type("Nothing", (), {"LIBRARY": "numpy", "ways": staticmethod(lambda *_: [])})
    monkeypatch.setitem(measure.LIBRARIES, "torch.func", nothing)
    found = measure.measure(block(["ours", "torch.func"], "two LSTM layers both ways"))
    assert found["status"] == ["ok", "not raced"]
    assert found["message"][1] == "torch.func has no form for this work"
    assert np.isnan(found["ratio"][1])


def test_a_training_tells_its_updates_a_second():
    found = measure.measure(block(["ours"], "training by Adam"))
    assert found["updates_per_second"][0] == pytest.approx(4 / found["seconds"][0])


def test_a_peer_that_differs_fails_or_is_missing_is_a_row_that_says_so(rows):
    assert rows["status"] == ["ok", "differs", "error", "not installed"]
    assert rows["error"][1] == pytest.approx(1e-6, rel=1e-3)
    assert rows["message"][1:] == [
        "1.0e-06 from ours, allowed 1e-09", "RuntimeError: it does not start",
        "no jax: extra [peers]",
    ]  # fmt: skip
    assert np.isnan(rows["seconds"][1:]).all() and rows["seconds"][0] > 0


def test_ours_knows_its_ceiling_and_its_floor(rows):
    assert rows["ratio"][0] == rows["gain"][0] == 1
    assert 0 < rows["ceiling_share"][0] < rows["floor_share"][0]
    assert rows["floor_seconds"][0] == pytest.approx(rows["floor_share"][0] * rows["seconds"][0])


def test_the_floor_is_products_and_activations():
    each = ceiling.ACTIVATION["float64"]
    assert ceiling.floor((2e9, 1e6), 1e9, 2, "float64") == pytest.approx(2 + 0.5e6 * each)


def test_a_process_that_fails_is_told(tmp_path):
    with pytest.raises(RuntimeError, match=r"run --quick: gradlab: .* has no nothing"):
        process.run(tmp_path, "--set", "nothing=1")


def test_a_cold_start_is_cold_whatever_cache_the_user_has_set(tmp_path, monkeypatch):
    def done(command, env, **options):
        done.env = env
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("NUMBA_CACHE_DIR", "/warm")
    monkeypatch.setattr(process.subprocess, "run", done)
    process.run(tmp_path)
    assert done.env["XDG_CACHE_HOME"] == str(tmp_path) and "NUMBA_CACHE_DIR" not in done.env


def test_cost_is_measured_in_a_process_of_its_own():
    points = {"call": ["sweep"] * 2, "quantity": ["T"] * 2, "doubling": [1, 0]}
    found = growth.measure(Block({k: np.array(v) for k, v in points.items()}, {"rounds": 1}))
    assert found["value"].tolist() == [400, 200]
    assert (found["bytes"] > 2**18).all() and (found["seconds"] > 0).all()
    assert (found["estimated_seconds"] > 0).all()
    assert len(set(found["exponent_seconds"])) == 1


AVX = {"sse2", "avx"}
AVX2 = AVX | {"avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("kernels", "flags", "choice", "warning"),
    [
        (["SkylakeX"], AVX512, None, ""),
        (["Cooperlake"], AVX512, None, ""),
        (["SkylakeX"], AVX512, "SkylakeX", ""),
        (["Zen"], AVX2, None, ""),
        (["Haswell"], AVX2, "Haswell", ""),  # Zen's kernels are Haswell's
        (["Haswell"], AVX2 | {"avx512f"}, None, ""),  # part of AVX-512 is not enough
        (["Haswell"], AVX512, None, "BLAS runs Haswell kernels, this processor has AVX-512"),
        (["Zen"], AVX512, None, "BLAS runs Zen kernels, this processor has AVX-512"),
        (
            ["SkylakeX", "Haswell"], AVX512, "Haswell",
            "BLAS runs Haswell kernels, this processor has AVX-512 "
            "(OPENBLAS_CORETYPE=Haswell is set)",
        ),
        (["Sandybridge"], AVX2, None, "BLAS runs Sandybridge kernels, this processor has AVX2"),
        (["neoversen1"], set(), None, ""),
        (
            ["armv8"], set(), "ARMV8",
            "BLAS may not run this processor's best kernels (OPENBLAS_CORETYPE=ARMV8 is set)",
        ),
        ([], AVX2, None, ""),
    ],
)  # fmt: skip
def test_kernels_that_are_not_the_machines_best_are_told(kernels, flags, choice, warning):
    assert blas.short_of([("OpenBLAS", "0.3.30", k) for k in kernels], flags, choice) == warning


def test_kernels_are_named_with_their_libraries():
    two = [("OpenBLAS", "0.3.31", "Zen"), ("OpenBLAS", "0.3.30", "Zen"), ("BLIS", "1.0", "skx")]
    assert blas.said(two) == "BLIS 1.0 skx, OpenBLAS 0.3.30, 0.3.31 Zen"
    assert blas.said([]) == ""


def test_the_table_and_the_caption_name_the_kernels_that_run(rows, monkeypatch):
    assert len(rows["blas"]) == len(rows["status"]) and blas.said(blas._libraries()) in rows["blas"]
    products = library.load("speed").figure.panels[0].draw.__globals__["products"]
    frame = pd.DataFrame({"blas": ["OpenBLAS 0.3.30 Zen"] * 2, "blas_warning": ["", "slow"]})
    assert products(frame[:1]) == "products by OpenBLAS 0.3.30 Zen"
    assert products(frame) == "products by OpenBLAS 0.3.30 Zen: slow"
    assert products(frame[["blas_warning"]]) == ""


def test_a_warning_is_written_to_stderr_once(monkeypatch, capsys):
    monkeypatch.setattr(blas, "short_of", lambda *_: "BLAS runs slow kernels, for a test")
    assert blas.here()["blas_warning"] == blas.here()["blas_warning"] != ""
    said = capsys.readouterr()
    assert said.err == "gradlab: BLAS runs slow kernels, for a test\n" and not said.out


@pytest.mark.parametrize("name", ["speed", "cost"])
def test_what_takes_time_runs_alone(name):
    assert library.load(name).alone


@pytest.mark.parametrize(
    ("measured", "bound", "verdict"),
    [(3.0, 9.0, "reached"), (2.0, 9.0, "not reached"), (2.0, 2.9, "beyond the floor")],
)
def test_a_goal_is_held_against_what_the_floor_allows(measured, bound, verdict):
    """ours takes 1 s and could take measured / bound; the best peer takes `measured`."""
    rows = [
        ("ours", "ok", 1.0, measured / bound), ("jax", "ok", 2 * measured, np.nan),
        ("torch", "ok", measured, np.nan), ("torch.func", "differs", 0.1, np.nan),
    ]  # fmt: skip
    columns = ["contender", "status", "ratio", "floor_share"]
    frame = pd.DataFrame(rows, columns=columns).assign(work="minibatch", precision="float64")
    (standing,) = library.load("speed").figure.panels[0].draw.__globals__["standings"](frame)
    assert standing.goal.goal == 3 and standing.measured == measured
    assert standing.bound == pytest.approx(bound) and standing.verdict == verdict
