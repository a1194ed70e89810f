"""Sentences and pieces of a text: minibatches, the state carried on, breaks, evaluation."""

import copy
import doctest
import pickle
from dataclasses import replace

import numpy as np
import pytest

import gradlab
from gradlab import Network, Plan, Sequences, Training
from gradlab.errors import UserError
from gradlab.learning import optimizers, sequences
from gradlab.nets import network as network_module

WORDS, TAGS = 9, 4
SHORT = Plan(updates=11, batch=4, learning_rate=0.3, mean="steps", log_every=5, seed=3)


def network(**options):
    options = {"inputs": WORDS, "embedding": 3, "hidden": 5, "outputs": TAGS} | options
    return Network.draw("elman", **options)


def sentences(count=22, seed=0):
    rng = np.random.default_rng(seed)
    x = [rng.integers(0, WORDS, n) for n in rng.integers(1, 9, count)]
    y = [own % TAGS for own in x]
    y[1][0] = -100
    return Sequences(x, y)


def text(steps=60):
    rng = np.random.default_rng(1)
    x = rng.integers(0, WORDS, steps)
    return x, np.roll(x, 2) % TAGS


def epoch_of(task, plan, number):
    """The sequences of an epoch, as text, and the padding of its minibatches."""
    count = -(-len(task.x) // plan.batch)
    found, padding, lanes = [], 0, []
    for k in range(count):
        x, y, lengths = task.minibatch(number * count + k + 1, plan)
        assert len(x) == len(y) == lengths.max() and x.shape == y.shape
        padding += x.size - lengths.sum()
        lanes.append(x.shape[1])
        found += [tuple(x[:n, i]) + tuple(y[:n, i]) for i, n in enumerate(lengths)]
        assert all((y[n:, i] == -100).all() for i, n in enumerate(lengths))
    return found, padding, lanes


def test_an_epoch_has_each_sentence_once_beside_those_of_its_length():
    own = sentences()
    task = Training(network(), own, SHORT).task
    every = sorted(tuple(x) + tuple(y) for x, y in zip(own.x, own.y, strict=True))
    first, padding, lanes = epoch_of(task, SHORT, 0)
    second, _, _ = epoch_of(task, SHORT, 1)
    assert sorted(first) == sorted(second) == every and first != second
    assert first == epoch_of(task, SHORT, 0)[0]
    assert sorted(lanes) == [2, 4, 4, 4, 4, 4] and padding < 20  # unsorted some 50


def test_dropout_puts_other_words_in_place_of_some_anew_each_time():
    plain = sentences()
    own = Sequences(plain.x, plain.y, [np.full(len(x), 8) for x in plain.x], 0.3)
    task, other = (Training(network(), one, SHORT).task for one in (own, plain))
    share, kept = [], []
    for number in range(1, 61):
        (x, y, lengths), (right, tags, _) = (one.minibatch(number, SHORT) for one in (task, other))
        within = np.arange(len(x))[:, None] < lengths
        assert np.array_equal(y, tags) and ((x == right) | (x == 8))[within].all()
        assert not x[~within].any() and np.array_equal(x, task.minibatch(number, SHORT)[0])
        share.append((x != right)[within & (right != 8)].mean())
        kept.append(x.tobytes())
    assert np.mean(share) == pytest.approx(0.3, abs=0.03) and len({*kept}) > 55
    seen, *_ = task.judged(None, 22)[1](22)
    assert (seen == 8).sum() == sum((x == 8).sum() for x in plain.x)


def by_hand(net, minibatches, carry):
    """Weights and losses after plain SGD with the mean over steps."""
    net, losses, start = copy.deepcopy(net), [], None
    for x, y, lengths in minibatches:
        h0 = start[: x.shape[1]] if carry and start is not None else None
        found = net.gradients(x, y, "cross_entropy", lengths=lengths, h0=h0, mean="steps")
        start = net.forward(x, h0, lengths).ends(lengths)[0]
        for name, own in net.weights.items():
            own -= 0.3 * found.weights[name]
        losses.append(found.loss)
    return net.weights, losses


@pytest.mark.parametrize("carry", [False, True])
def test_an_update_is_that_of_the_minibatch(carry):
    """Carried: lanes of 6 pieces of 5 steps, of which the last reads only 4 in an epoch."""
    own, plan = Sequences.cut(*text(110), 5), replace(SHORT, updates=6, carry=carry)
    training = Training(network(), own, plan)
    minibatches = [training.task.minibatch(k, training.plan) for k in range(1, 7)]
    if carry:
        x, _ = text(110)
        assert [own.shape[1] for own, _, _ in minibatches] == [4, 4, 4, 4, 3, 3]
        for lane in range(3):
            read = np.concatenate([own[:, lane] for own, _, _ in minibatches])
            assert np.array_equal(read, x[30 * lane : 30 * lane + 30])
    weights, losses = by_hand(network(), minibatches, carry)
    training.run()
    np.testing.assert_allclose(training.losses, losses, rtol=1e-13)
    for name, right in weights.items():
        np.testing.assert_allclose(training.net.weights[name], right, atol=1e-14)


def test_a_new_epoch_starts_from_zero():
    plan = replace(SHORT, updates=2, batch=2, carry=True)
    own = Sequences.cut(*text(10), 5)
    training = Training(network(), own, plan)
    training.run()
    again = [training.task.minibatch(1, training.plan)] * 2
    assert training.losses == pytest.approx(by_hand(network(), again, False)[1], rel=1e-13)


@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("stop", [1, 8])
def test_a_break_changes_no_bit(carry, stop, tmp_path):
    plan = replace(
        SHORT, optimizer="adam", learning_rate=0.01, clip_threshold=0.2, carry=carry,
        evaluate_every=4,
    )  # fmt: skip
    own = sentences()
    whole = Training(network(), own, plan, own)
    whole.run()
    broken = Training(network(), own, plan, own)
    broken.run(until=stop, save=tmp_path / "half.safetensors")
    for other in (
        Training.load(tmp_path / "half.safetensors", own, own),
        copy.deepcopy(broken),
        pickle.loads(pickle.dumps(broken)),
        broken,
    ):
        other.run()
        assert other.losses == whole.losses
        assert all(np.array_equal(v, other.net.weights[k]) for k, v in whole.net.weights.items())
        assert [row["evaluation_loss"] for row in other.rows] == pytest.approx(
            [row["evaluation_loss"] for row in whole.rows], rel=0, abs=0, nan_ok=True
        )


@pytest.mark.parametrize("carry", [False, True])
def test_an_evaluation_counts_words(carry):
    """Carried with a single lane the whole text is one sequence."""
    net, (x, y) = network(), text()
    y = y.copy()
    y[7] = -100
    test = Sequences.cut(x, y, 8)
    plan = replace(SHORT, batch=1, carry=carry)
    error, loss = Training(net, sentences(), plan, test).evaluate()
    pieces = [(x, y)] if carry else zip(test.x, test.y, strict=True)
    wrong, nats = [], 0
    for own, tags in pieces:
        found = net.gradients(own[:, None], tags[:, None], "cross_entropy")
        nats += found.loss
        best = net.forward(own[:, None]).outputs[:, 0].argmax(-1)
        wrong += list((best != tags)[tags != -100])
    assert len(wrong) == 59 and error == pytest.approx(np.mean(wrong))
    assert loss == pytest.approx(nats / 59, rel=1e-13)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rmsprop"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_update_that_nobody_looks_at_has_the_same_bits(optimizer, dtype, monkeypatch):
    """All rows of words that were met move on, but for plain SGD's; in one thread or in two."""
    plan = replace(
        SHORT, optimizer=optimizer, learning_rate=0.01, clip_threshold=0.5, updates=8, log_every=1
    )
    net, own = network(inputs=300, embedding=40, dtype=dtype), sentences()
    seen, *unseen = (Training(net, own, replace(plan, log_every=k)) for k in (1, 100, 100))
    seen.run()
    for training, threshold in zip(unseen, (np.inf, 0), strict=True):
        monkeypatch.setattr(optimizers, "WORTH_A_THREAD", threshold)
        training.run()
        for name, right in seen.net.weights.items():
            assert np.array_equal(training.net.weights[name], right)
        assert np.array_equal(seen._slots, training._slots)
    one = Training(net, own, replace(plan, log_every=1, updates=1))
    one.run()
    x, y, lengths = one.task.minibatch(1, one.plan)
    found = net.gradients(x, y, "cross_entropy", lengths=lengths, mean="steps")
    clipped = gradlab.clip(found, 0.5).gradients["embedding"]
    moved = one.net.weights["embedding"] != net.weights["embedding"]
    assert (moved == (clipped != 0)).all() and one.rows[0]["step"] > 0


def test_chords_are_values_and_their_score_is_nats_a_predicted_step():
    """Of n chords n - 1 are predicted: the first one is an input alone."""
    rng = np.random.default_rng(5)
    chords = [(rng.random((n, 6)) < 0.3).astype(float) for n in (9, 4, 7)]
    own = Sequences([one[:-1] for one in chords], [one[1:] for one in chords])
    plan = replace(SHORT, loss="binary_cross_entropy")
    net = Network.draw("elman", inputs=6, hidden=5, outputs=6)
    training = Training(net, own, plan, own)
    error, loss = training.evaluate()
    total = 0
    for one in chords:
        o = net.forward(one[:-1, None]).outputs[:, 0]
        total += (np.logaddexp(0, o) - one[1:] * o).sum()
    assert np.isnan(error) and loss == pytest.approx(total / (8 + 3 + 6), rel=1e-13)
    training.run()
    assert training.evaluate()[1] < loss


@pytest.mark.parametrize("per", ["lane", "step"])
def test_clipping_by_lane_and_step_sees_the_embedding(per):
    """Far above any norm it is the plain update; of lanes one by one, the mean of the clipped."""
    plan = replace(SHORT, updates=1, mean="lanes", clip_per=per, clip_threshold=1e9)
    net, own = network(), sentences()
    loose, plain = Training(net, own, plan), Training(net, own, replace(plan, clip_per="mean"))
    for training in (loose, plain):
        training.run()
    for name, right in plain.net.weights.items():
        np.testing.assert_allclose(loose.net.weights[name], right, atol=1e-14)
    tight = Training(net, own, replace(plan, clip_threshold=0.1))
    tight.run()
    if per == "lane":
        x, y, lengths = tight.task.minibatch(1, tight.plan)
        mean = 0
        for i, n in enumerate(lengths):
            found = net.gradients(x[:n, [i]], y[:n, [i]], "cross_entropy")
            mean += gradlab.clip(found, 0.1).gradients["embedding"] / len(lengths)
        right = net.weights["embedding"] - 0.3 * mean
        np.testing.assert_allclose(tight.net.weights["embedding"], right, atol=1e-14)
    assert tight.rows[0]["clipped"] > 0


def test_arrays_of_numbers_are_a_task_too():
    rng = np.random.default_rng(2)
    x = rng.integers(0, WORDS, (5, 12))
    found = gradlab.train(network(), (x, x % TAGS), replace(SHORT, updates=60, mean="lanes"))
    assert found.losses[-1] < found.losses[0] / 3


def test_the_examples_in_the_docstrings():
    failed, found = doctest.testmod(sequences)
    assert found and not failed
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for thing in (Network.draw, network_module.States.ends):
        (own,) = finder.find(thing, thing.__name__, globs=dict(vars(network_module)))
        assert runner.run(own).attempted and not runner.failures


ONE, TAG = [[1, 2]], [[0, 1]]
WRONG = [
    ((ONE, []), {}, r"^task: give as many x as y, and one at least, not \(1, 0\)$"),
    (
        ([[1, 9]], TAG),
        {},
        r"^x\[0\] of task must be whole numbers \(T,\) from 0 to 8, rows of the ",
    ),
    (([[1.0, 2]], TAG), {}, r"rows of the embedding, not float64 of shape \(2,\)$"),
    (
        (ONE, [[0, 4]]),
        {},
        r"^y\[0\] of task must hold classes from 0 to 3, or -100 for none, not 4$",
    ),
    (([*ONE, [1]], [*TAG, [0, 1]]), {}, r"^y\[1\] of task must have shape \(1,\) for loss="),
    ((ONE, [[0.5, 1]]), {"loss": "cross_entropy"}, r"^y\[0\] of task must hold class numbers"),
    ((ONE, TAG, None, 0.1), {}, r"^dropout=0\.1: must be a probability from 0 to below 1, with"),
    ((ONE, TAG, [[0]], 0.1), {}, r"^instead\[0\] has 1 steps, x\[0\] 2$"),
    ((ONE, TAG), {"clip_per": "lane"}, r"^mean=steps needs clip_per=mean, not lane"),
]


@pytest.mark.parametrize(("own", "changes", "said"), WRONG)
def test_what_does_not_fit_is_one_line(own, changes, said):
    with pytest.raises(UserError, match=said) as found:
        Training(network(), Sequences(*own), replace(SHORT, **changes))
    assert "\n" not in str(found.value)


def test_a_state_is_carried_only_where_something_follows():
    carried = replace(SHORT, carry=True)
    with pytest.raises(UserError, match=r"^carry=True needs one direction: the other one comes"):
        Training(network(bidirectional=True), sentences(), carried)
    with pytest.raises(UserError, match=r"^carry=True: goes with gradlab\.Sequences"):
        Training(network(), (np.zeros((3, 4), int), np.zeros((3, 4), int)), carried)
    with pytest.raises(UserError, match=r"^test must be Sequences as well, not tuple$"):
        Training(network(), sentences(), SHORT, (1, 2))
    with pytest.raises(UserError, match=r"^x and y must have as many steps, not shapes"):
        Sequences.cut([1, 2, 3], [1, 2], 2)
    with pytest.raises(UserError, match=r"^steps must be a whole number from 1, not 0$"):
        Sequences.cut([1], [1], 0)
