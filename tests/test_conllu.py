"""CoNLL-U: what counts as a word, and what is told of a file that is wrong."""

import os
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.errors import UserError
from gradlab.text import samples
from gradlab.text.conllu import TAGS, Sentence, parse, read, write
from gradlab.text.opened import stamp

BLANK = "\t_" * 6


def row(number, word="rain", tag="NOUN"):
    return f"{number}\t{word}\t_\t{tag}{BLANK}\n"


def found(text):
    return list(parse(text.encode().splitlines(keepends=True), "FILE"))


# Two treebanks' corners: a contraction, words elided, a hash as a word, a line separator in one.
CORNERS = (
    "# text = vámonos al mar #\n"
    + row("1-2", "vámonos", "_")
    + row(1, "vamos", "VERB")
    + row(2, "nos", "PRON")
    + row("3-4", "al", "_")
    + row(3, "a", "ADP")
    + row(4, "el", "DET")
    + row(5, "mar")
    + row("5.1", "ve", "VERB")
    + row("5.2", "_", "_")
    + row(6, "#", "SYM")
    + "\n\n# a comment alone\n\n"
    + row("0.1", "_", "_")
    + row(1, "a\u2028b", "X")
    + row(2, "10 000", "NUM")
    + row(3, "\u3000", "SYM")
)
WORDS = [("vamos", "nos", "a", "el", "mar", "#"), ("a\u2028b", "10 000", "\u3000")]


@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_words_are_words_whatever_stands_between(tmp_path, mark, ends, tail):
    path = tmp_path / "corners.conllu"
    path.write_bytes((mark + CORNERS + tail).replace("\n", ends).encode())
    sentences = read(path)
    assert [sentence.words for sentence in sentences] == WORDS
    assert sentences[0].tags == ("VERB", "PRON", "ADP", "DET", "NOUN", "SYM")


def test_the_last_line_may_lack_its_end():
    assert found(CORNERS.rstrip("\n"))[1].tags == ("X", "NUM", "SYM")


WRONG = [
    (row(1) + "2\train\t_\tNOUN\n", "FILE:2: 4 columns, a word of CoNLL-U has 10"),
    ("1 rain _ NOUN\n", "FILE:1: 1 columns, a word of CoNLL-U has 10, between tabs"),
    (row("one"), "FILE:1: ID 'one': must be a number below 10^9, a range 1-2 or an"),
    (row("9" * 5000), "FILE:1: ID '999"),  # more digits than int() reads
    (row("1-" + "9" * 5000), "FILE:1: ID '1-999"),
    (row("1-"), "ID '1-'"),
    (row("01"), "ID '01'"),
    (row("1-2-3"), "ID '1-2-3'"),
    (row(2), "FILE:1: word 2: a sentence begins with 1"),
    (row(0), "word 0: a sentence begins with 1"),
    (row(1) + row(3), "FILE:2: word 3: 2 is next"),
    (row(1) + row(1), "word 1: 2 is next"),
    (row(1) + "# x\n" + row(2), "FILE:2: a comment within a sentence"),
    (row(1, ""), "word 1 has no form"),
    (row(1, "rain", "QQQ"), "FILE:1: word 1, 'rain': 'QQQ' in column 4; must be one of ADJ, ADP"),
    (row(1, "rain", "NOUNS"), "'NOUNS' in column 4: did you mean NOUN?"),
    (row(1, "rain", "_"), "word 1, 'rain': no part of speech (column 4 is _)"),
    (row("2-1", "x", "_"), "multiword token 2-1 ends before it begins"),
    (row("2-3", "x", "_"), "multiword token 2-3 must stand before word 2"),
    (row("1-3", "x", "_") + row(1) + row("2-3", "y", "_"), "FILE:3: multiword token 2-3 overlaps"),
    (row("1-3", "x", "_") + row(1) + row(2) + "\n", "FILE:4: the sentence ends at word 2"),
    (row("1-3", "x", "_") + row(1), "FILE:2: the sentence ends at word 1, within 1-3"),
    (row("1.1", "x", "_"), "empty node 1.1 must stand after word 1"),
    (row(1) + row("1.2", "x", "_"), "empty node 1.2: 1.1 is next"),
    (row("0.1", "x", "_") + "\n", "FILE:2: a sentence without words"),
    (row(1) + "\x1f\x8b", "FILE:2: 1 columns"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_line_is_told_in_one(text, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        found(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no sentence in it"),
        (b"# text\n\n", "no sentence in it"),
        (row(1).encode() + b"2\t\xff\n", ":2: not in UTF-8"),
        (b"\x1f\x8b\x08", ":1: compressed by gzip: unpack it first"),
        (row(1).encode("utf-16"), ":1: in UTF-16"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, content, said):
    path = tmp_path / "x.conllu"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}")) as error:
        read(path)
    assert said in str(error.value)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "absent.conllu")
    with pytest.raises(UserError, match="a folder"):
        read(tmp_path)
    with pytest.raises(UserError, match="null"):
        read("a\0b")
    if hasattr(os, "mkfifo"):  # opened, it would wait for ever
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="no regular file"):
            read(tmp_path / "pipe")


def test_a_stamp_tells_that_a_file_was_edited(tmp_path):
    path = tmp_path / "x.conllu"
    path.write_text(row(1))
    before = stamp(path)
    assert stamp(None) is None and stamp(path) == before
    path.write_text(row(1) + row(2))
    assert stamp(path) != before
    with pytest.raises(UserError, match="a folder"):
        stamp(tmp_path)


def test_a_damaged_file_is_read_or_told_in_a_line_that_can_be_shown():
    whole = samples.path("dev.conllu").read_bytes()[:3000]
    rng, told = np.random.default_rng(0), 0
    for _ in range(300):
        at, bit = rng.integers(len(whole)), rng.integers(8)
        flipped = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
        content = flipped if rng.integers(2) else whole[:at]
        try:
            list(parse(content.splitlines(keepends=True), "FILE"))
        except UserError as error:
            told += 1
            assert str(error).isprintable() and str(error).startswith("FILE:")
    assert told > 60


words = st.text(min_size=1, max_size=4).filter(lambda word: not set(word) & set("\t\r\n"))


@given(
    st.lists(
        st.lists(st.tuples(words, st.sampled_from(TAGS)), min_size=1, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_what_is_written_is_read_again(pairs):
    sentences = [Sentence(*map(tuple, zip(*pair, strict=True))) for pair in pairs]
    lines = write(sentences).encode("utf-8", "surrogatepass").split(b"\n")
    try:
        assert list(parse((line + b"\n" for line in lines[:-1]), "FILE")) == sentences
    except UserError as error:  # half of a surrogate pair is no text
        assert "not in UTF-8" in str(error)


@pytest.mark.parametrize("word", ["", "a\tb", "a\nb", "\r"])
def test_a_word_that_no_column_holds_is_not_written(word):
    with pytest.raises(UserError, match="neither a tab nor a line end"):
        write([Sentence(("rain", word), ("NOUN", "X"))])


def test_memory_is_bounded_by_the_file(tmp_path):
    path = tmp_path / "long.conllu"
    path.write_text((row(1) + row(2, "falls", "VERB") + "\n") * 5000)
    tracemalloc.start()
    try:
        sentences = read(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * path.stat().st_size
    finally:
        tracemalloc.stop()
    assert len(sentences) == 5000
    assert sentences[0].words[0] is sentences[-1].words[0]


def counted(path):
    """Sentences and words, and how many NOUNs, by regular expressions over the whole text."""
    text = path.read_text("utf-8").replace("\r\n", "\n")
    tags = re.findall(r"^\d+\t[^\t\n]*\t[^\t\n]*\t([A-Z]+)\t", text, re.MULTILINE)
    return len(re.findall(r"^1\t", text, re.MULTILINE)), len(tags), tags.count("NOUN")


def counts(sentences):
    tags = [tag for sentence in sentences for tag in sentence.tags]
    return len(sentences), len(tags), tags.count("NOUN")


@pytest.mark.parametrize("name", ["train.conllu", "dev.conllu"])
def test_the_shipped_treebank_is_whole(name):
    path = samples.path(name)
    sentences = read(path)
    assert counts(sentences) == counted(path)
    assert tuple(sorted(TAGS)) == TAGS
    assert len({sentence.words for sentence in sentences}) == len(sentences)
    spelt = re.findall(r"^# text = (.+)$", path.read_text("utf-8"), re.MULTILINE)
    squeezed = ["".join(sentence.words) for sentence in sentences]
    assert squeezed == [text.replace(" ", "") for text in spelt]


@pytest.mark.parametrize("part", ["train", "dev"])
def test_a_real_treebank_has_as_many_words_as_its_lines_say(shared_data, part):
    path = shared_data / "ud_english_ewt" / f"en_ewt-ud-{part}.conllu"
    assert counts(read(path)) == counted(path)
    assert counts(read(path))[:2] == {"train": (12544, 204577), "dev": (2001, 25147)}[part]
