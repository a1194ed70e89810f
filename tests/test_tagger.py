"""The tagger: its words, its file, how far back it is felt, its measure and `gradlab tag`."""

import doctest
import importlib
import io
import itertools
import json
import math

import numpy as np
import pytest

from gradlab import Network, cli, underway
from gradlab.errors import UserError
from gradlab.measures import tagger as measure
from gradlab.measures.learning import point_of
from gradlab.models import safetensors
from gradlab.suite import library
from gradlab.suite.grid import blocks, changed, is_file, shown
from gradlab.tagging.corpus import Corpus
from gradlab.tagging.learn import learn, training_of
from gradlab.tagging.reach import by_word
from gradlab.tagging.sentences import classes_in_order
from gradlab.tagging.tagger import Tagger, classes, shipped
from gradlab.text import samples
from gradlab.text.conllu import TAGS
from gradlab.text.scores import score

TRAIN = samples.path("train.conllu")


@pytest.fixture(scope="module")
def corpus():
    return Corpus.read(lower=True)


@pytest.fixture(scope="module")
def net(corpus):
    return Network.draw(
        inputs=corpus.vocabulary.size, embedding=3, hidden=4, outputs=17, init="torch", seed=5
    )


@pytest.fixture
def small(tmp_path):
    """A treebank of forty sentences."""
    file = tmp_path / "small.conllu"
    parts = TRAIN.read_text("utf-8").split("\n\n")[:40]
    file.write_text("\n\n".join(parts) + "\n\n", "utf-8")
    return file


@pytest.mark.parametrize("name", ["corpus", "reach", "tagger"])
def test_the_examples_are_true(name):
    module = importlib.import_module(f"gradlab.tagging.{name}")
    failed, tried = doctest.testmod(module, extraglobs={"Network": Network})
    assert tried and not failed


@pytest.mark.parametrize("both", [False, True])
def test_the_gradient_in_a_word_is_that_of_the_loss(both):
    """Against central differences in each word's own embedding; two words are the same."""
    net = Network.draw(
        inputs=6, embedding=2, hidden=3, outputs=4, bidirectional=both, seed=2, init="torch"
    )
    numbers, asked = np.array([3, 1, 3, 5]), 2

    def loss(table):
        own = Network(net.weights | {"embedding": table}, "elman")
        o = own.forward(np.arange(4)[:, None]).outputs[asked, 0]
        return np.log(np.exp(o).sum()) - o.max()

    table, slopes = net.weights["embedding"][numbers], np.zeros((4, 2))
    for place in itertools.product(range(4), range(2)):
        step = np.zeros((4, 2))
        step[place] = 1e-6
        slopes[place] = (loss(table + step) - loss(table - step)) / 2e-6
    norms = np.linalg.norm(slopes, axis=1)
    with np.errstate(divide="ignore"):
        wanted = np.log10(norms / norms[asked])
    assert np.allclose(by_word(net, numbers[:, None], asked)[:, 0], wanted, atol=1e-6)
    assert math.isinf(wanted[3]) != both


def test_a_carried_state_reads_a_text_as_if_it_were_one_sentence(net):
    words = np.random.default_rng(0).integers(0, 50, 12)
    whole = classes(net, [words])[0]
    pieces = classes_in_order(net, [words[:5], words[5:7], words[7:]], 1)
    assert np.array_equal(np.concatenate(pieces), whole)
    assert [len(one) for one in pieces] == [5, 2, 5]
    lanes = classes_in_order(net, [words[:5], words[5:], words[:2]], 2)  # (0, 1), (2)
    assert np.array_equal(np.concatenate(lanes[:2]), whole)
    assert np.array_equal(lanes[2], whole[:2])


def test_a_tagger_is_kept_whole(corpus, net, tmp_path):
    file, words = tmp_path / "own.safetensors", [["It", "rains", "."], [], ["Xylophones"]]
    tagger = Tagger(net, corpus.vocabulary)
    tagger.save(file)
    again = Tagger.load(file)
    assert again.vocabulary.to_json() == corpus.vocabulary.to_json()
    assert again.tags(words) == tagger.tags(words) and list(map(len, again.tags(words))) == [
        3,
        0,
        1,
    ]
    assert np.array_equal(Network.load(file).weights["W"], net.weights["W"])


def test_what_is_no_tagger_is_told_in_a_line(corpus, net, tmp_path):
    file = tmp_path / "net.safetensors"
    net.save(file)
    with pytest.raises(UserError, match="holds no tagger: its metadata have no vocabulary"):
        Tagger.load(file)
    Tagger(net, corpus.vocabulary).save(file)
    arrays, metadata = safetensors.read(file)
    kept = {name: text for name, text in metadata.items() if "sha" not in name}
    for text, said in (("{", "Expecting"), ("[]", "no vocabulary"), ('{"words": 1}', "no voc")):
        safetensors.write(file, arrays, kept | {"gradlab.vocabulary": text})
        with pytest.raises(UserError, match=f"holds no tagger: .*{said}"):
            Tagger.load(file)
    few = json.dumps(corpus.vocabulary.to_json() | {"words": ["it"]})
    safetensors.write(file, arrays, kept | {"gradlab.vocabulary": few})
    with pytest.raises(UserError, match="866 words and 17 outputs, not"):
        Tagger.load(file)


def test_the_tagger_that_comes_along_is_small_and_right(corpus):
    tagger = Tagger.load(shipped())
    assert shipped().stat().st_size < 250_000 and tagger.net.dtype == "float32"
    found = score(corpus.dev, tagger.tags(s.words for s in corpus.dev), corpus.known)
    assert found.accuracy > 0.89 and found.unknown_accuracy > 0.7
    assert tagger.vocabulary.to_json() == corpus.vocabulary.to_json()


def test_the_command_tags(capsys, monkeypatch):
    assert cli.main(["tag", "where can I get it ?"]) == 0
    pairs = [line.split() for line in capsys.readouterr().out.splitlines()]
    words, tags = zip(*pairs, strict=True)
    assert words == ("where", "can", "I", "get", "it", "?")
    assert tags == ("ADV", "AUX", "PRON", "VERB", "PRON", "PUNCT")
    monkeypatch.setattr("sys.stdin", io.StringIO("It rains.\n\nZebras fly!\n"))
    assert cli.main(["tag", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert [one["word"] for one in first] == ["It", "rains", "."]
    assert [one["known"] for one in second] == [False, True, True]


def test_the_command_reads_what_a_shell_hands_it(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffIt rains.\n"))
    assert cli.main(["tag"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["It", "PRON"]
    monkeypatch.setattr("sys.stdin", io.StringIO("x" * 10_000 + " falls" * 9))
    assert cli.main(["tag"]) == 0
    assert len(capsys.readouterr().out) < 11_000  # not ten lines as wide as the widest
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    assert cli.main(["tag"]) == 2
    assert capsys.readouterr().err == "gradlab: stdin: not in utf-8\n"
    monkeypatch.setattr("sys.stdin", None)  # closed: gradlab tag <&-
    assert cli.main(["tag"]) == 2
    assert "no words: give a text" in capsys.readouterr().err


@pytest.mark.parametrize("sentences", ["It rains", [["It", "rains"], "It rains"]])
def test_a_text_is_no_list_of_words(corpus, net, sentences):
    with pytest.raises(UserError, match="'It rains' must be a list of words"):
        Tagger(net, corpus.vocabulary).tags(sentences)


def test_a_console_without_a_letter_shows_its_number(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", console)
    assert cli.main(["tag", "caf\u00e9"]) == 0
    assert console.buffer.getvalue().split()[0] == rb"caf\xe9"


def test_a_page_without_an_end_does_not_make_its_neighbours_as_long(net, monkeypatch):
    shapes, forward = [], Network.forward

    def seen(own, x, *rest, **named):
        shapes.append(x.shape)
        return forward(own, x, *rest, **named)

    monkeypatch.setattr(Network, "forward", seen)
    sentences = [np.arange(20_000) % 5, *([np.arange(3)] * 60)]
    assert [len(one) for one in classes(net, sentences)] == [20_000] + [3] * 60
    assert shapes == [(3, 60), (20_000, 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--model", str(TRAIN)], "is no .safetensors file"),
        (["x", "--epochs", "3"], "--epochs goes with --learn"),
        (["--learn", str(TRAIN)], "--learn needs --model"),
        ([" "], "no words: give a text"),
        (["--learn", "lacks.conllu", "--model", "a.safetensors"], "lacks.conllu"),
        (["x", "--model", ""], "a directory"),  # as a script has it whose variable is empty
        (["x", "--learn", "", "--model", "a.safetensors"], "is a folder"),
        (["--learn", str(TRAIN), "--dev", "", "--model", "a.safetensors"], "is a folder"),
        (["x", "--dev", ""], "--dev goes with --learn"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(words, said, capsys):
    assert cli.main(["tag", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_the_command_learns_a_treebank(small, tmp_path, capsys):
    file = tmp_path / "own.safetensors"
    size = ["--epochs", "2", "--batch", "8", "--hidden", "8"]
    assert cli.main(["tag", "--learn", str(small), "--model", str(file), *size, "It rains"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch 1 of 2: ") and lines[2].split()[0] == "It"
    assert Tagger.load(file).net.hidden == 8


def test_of_a_corpus_alone_every_tenth_sentence_is_judged_on(small, tmp_path):
    own, every = Corpus.read(small), Corpus.read().train[:40]
    assert own.dev == every[9::10] and len(own.train) == 36
    assert not set(own.dev) & set(own.train)
    few = tmp_path / "few.conllu"
    few.write_text("\n\n".join(small.read_text("utf-8").split("\n\n")[:3]) + "\n\n", "utf-8")
    with pytest.raises(UserError, match="3 sentences, 10 are needed"):
        Corpus.read(few)


def test_a_setting_that_is_none_is_told(corpus):
    with pytest.raises(UserError, match=r"a tagger has no hiden_size: .*did you mean hidden_size"):
        learn(corpus, hiden_size=3)
    for name in ("batch", "epochs"):
        with pytest.raises(UserError, match=f"{name}=0: must be a whole number from 1"):
            learn(corpus, **{name: 0})
    for scale in (math.inf, -1.0):
        with pytest.raises(UserError, match=f"embedding_scale={scale}: must be a finite number"):
            learn(corpus, embedding_scale=scale)


def block_of(**constants):
    """A small training, left to right."""
    values = {"cell": ["elman"], "seed": [1], "epochs": 2, "hidden_size": 8, "batch": 20}
    experiment = changed(library.load("tagger"), values | {"bidirectional": [False]})
    ((block, _),) = blocks(changed(experiment, constants))
    return block


def begun(block, corpus):
    """(the training of a block before its first update, its point)."""
    point = {k: v for k, v in point_of(block, 0).items() if k not in measure.ASKED}
    return training_of(point, corpus), point


@pytest.fixture(scope="module")
def table():
    """(points, rows) of `block_of`, each run once."""
    known = {}

    def of(**constants):
        key = json.dumps(constants)
        if key not in known:
            block = block_of(**constants)
            known[key] = block.points, measure.learnt(block)
        return known[key]

    return of


def test_the_rows_of_a_training_agree_with_each_other(table, corpus):
    points, found = table()
    whole = (points["tag"] == "all") & (points["word"] == 0)
    at = dict(zip(points["part"][whole], np.flatnonzero(whole), strict=True))
    course = found["accuracy"][whole]
    assert math.isnan(found["unknown_accuracy"][at[0.0]])
    assert course[0] < 0.3 < course[-1] and at[0.5] != at[1.0]
    assert math.isnan(found["accuracy"][at[0.4]])  # no epoch ends there
    taken = {
        (tag, other): found["taken"][i]
        for i, (tag, other) in enumerate(zip(points["tag"], points["taken_for"], strict=True))
        if tag != "all"
    }
    counts = np.bincount(np.concatenate(corpus.numbers[1].tags), minlength=17)
    right = sum(counts[k] * taken[tag, tag] for k, tag in enumerate(TAGS) if counts[k])
    assert math.isclose(right / counts.sum(), course[-1])
    rows = [sum(taken[tag, other] for other in TAGS) for tag in TAGS]
    assert np.allclose(np.array(rows)[counts > 0], 1) and np.isnan(rows)[counts == 0].all()
    table = found["table_accuracy"][at[1.0]]
    assert math.isclose(table, 0.7094594594594594)
    words = (points["word"] > 0) & (points["part"] == 1)
    along = found["log10_gradient"][words]
    assert along[12] == 0 and (along[:12] < 1).all() and np.isneginf(along[13:17]).all()
    assert 0 < found["horizon"][at[0.0]] <= measure.WORDS
    assert found["decades_per_word"][at[0.0]] < -0.1


def test_the_state_is_carried_where_that_is_asked_for(table, corpus):
    points, plain = table()
    _, carried = table(carry=True)
    whole = (points["tag"] == "all") & (points["word"] == 0)
    first, last = whole & (points["part"] == 0), whole & (points["part"] == 1)
    wrong = begun(block_of(carry=True), corpus)[0].evaluate()[0]
    assert math.isclose(carried["accuracy"][first].item(), 1 - wrong)
    assert carried["accuracy"][last] > 0.3
    assert carried["accuracy"][last] != plain["accuracy"][last]
    counts = (points["tag"] == points["taken_for"]) & (points["tag"] != "all")
    assert np.nansum(carried["taken"][counts]) > 1


def test_of_a_training_that_diverged_no_tag_is_known(table):
    points, found = table(learning_rate=1e308, clip_threshold=math.inf)
    assert set(found["status"]) == {"diverged"}
    last = (points["part"] == 1) & (points["word"] == 0)
    for name in ("accuracy", "unknown_accuracy", "taken"):
        assert np.isnan(found[name][last]).all(), name
    assert np.nanmax(found["table_accuracy"]) > 0.7


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("word", -1, "word=-1: must be a word of `sentence`"),
        ("tag", "NOUNS", "tag must be one of .*: did you mean NOUN"),
        ("taken_for", "ALL", "taken_for must be one of"),
        ("part", 2.0, "part=2.0: must be a share of the epochs"),
    ],
)
def test_what_cannot_be_asked_for_is_told(name, value, said):
    block = block_of()
    block.points[name][-1] = value
    with pytest.raises(UserError, match=said):
        measure.learnt(block)


def test_a_training_that_was_stopped_goes_on(table, corpus, tmp_path):
    _, plain = table()
    block = block_of()
    training, point = begun(block, corpus)
    with underway.at(tmp_path, 0.0):
        training.run(until=20, save=underway.file(point))
        count = underway.updates()
        again = measure.learnt(block)
    assert underway.updates() - count == training.plan.updates - 20
    for name, values in plain.items():
        if name != "status":
            assert np.array_equal(again[name], values, equal_nan=True), name


def test_corpora_are_files_and_wrong_ones_are_told(tmp_path):
    assert is_file("corpus") and is_file("dev_corpus") and is_file("weights_file")
    assert not is_file("corpus_size")
    assert shown({"dev_corpus": "/a/b.conllu"}) == {"dev_corpus": "b.conllu"}
    experiment = changed(library.load("tagger"), {"corpus": str(tmp_path / "lacks.conllu")})
    with pytest.raises(UserError, match=r"lacks\.conllu"):
        measure.learnt(blocks(experiment)[0][0])
    experiment = changed(library.load("tagger"), {"asked": 99})
    with pytest.raises(UserError, match="asked=99: `sentence` has words 1 to 17"):
        measure.learnt(blocks(experiment)[0][0])
