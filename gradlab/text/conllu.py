"""Treebanks in CoNLL-U, the format of Universal Dependencies: words and their parts of speech.

A line is a word of ten columns between tabs, a blank line ends a sentence, # begins a comment
before one. Of the columns the first (ID), second (FORM) and fourth (UPOS) are read. A multiword
token, 3-4, is how its words are spelt together, and an empty node, 8.1, is not spelt at all: both
are checked, and neither is a word. Source: universaldependencies.org/format.html.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gradlab.errors import UserError, did_you_mean
from gradlab.text.opened import Wrong, begun, opened

# The universal parts of speech (universaldependencies.org/u/pos), whose order is the class number.
TAGS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip
COLUMNS = 10
ID = re.compile(r"(0|[1-9][0-9]{0,8})(?:([-.])([1-9][0-9]{0,8}))?")


class Sentence(NamedTuple):
    """The words of a sentence, and the universal part of speech of each, one of TAGS."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read(path: str | os.PathLike[str]) -> list[Sentence]:
    """All sentences of a file in UTF-8, in its order.

    path   a .conllu file; it is read line by line, equal words are kept once

    Line ends may be LF or CRLF, a byte order mark may stand first, the last blank line may lack.
    Raises UserError, one line that names the file, the line and what is wrong there, for a file
    that is none, and for one without a sentence.

    >>> from gradlab.text import samples
    >>> read(samples.path("train.conllu"))[0]
    Sentence(words=('Where', 'can', 'I', 'get', 'it', '?'), \
tags=('ADV', 'AUX', 'PRON', 'VERB', 'PRON', 'PUNCT'))
    """
    with opened(path) as file:
        found = list(parse(file, str(path)))
    if not found:
        raise UserError(f"{path}: no sentence in it: CoNLL-U has a word a line, ten columns")
    return found


def parse(lines: Iterable[bytes], where: str) -> Iterator[Sentence]:
    """The sentences of lines of bytes; `where` names them in an error, as `read` says."""
    sentence = _Open()
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                line = begun(line)
            text = line.decode().rstrip("\r\n")
            if text.strip():
                sentence.take(text)
            elif sentence.begun:
                yield sentence.closed()
                sentence = _Open()
        except UnicodeDecodeError:
            raise UserError(f"{where}:{number}: not in UTF-8") from None
        except Wrong as error:
            raise UserError(f"{where}:{number}: {error}") from None
    if sentence.begun:
        try:
            yield sentence.closed()
        except Wrong as error:
            raise UserError(f"{where}:{number}: {error}") from None


def write(sentences: Iterable[Sentence]) -> str:
    """The sentences as CoNLL-U, with _ in the columns that are not known; `read` gives them back.

    Raises UserError for a word that no column can hold: none, or with a tab or a line end in it.

    >>> write([Sentence(("Rain", "falls"), ("NOUN", "VERB"))]).split()[:4]
    ['1', 'Rain', '_', 'NOUN']
    """
    sentences, blank = list(sentences), "\t_" * 6
    for word in (word for sentence in sentences for word in sentence[0]):
        if not word or {*word} & {*"\t\r\n"}:
            raise UserError(f"word {word!r}: must have a letter, and neither a tab nor a line end")
    return "".join(
        "".join(
            f"{place}\t{word}\t_\t{tag}{blank}\n"
            for place, (word, tag) in enumerate(zip(*sentence, strict=True), 1)
        )
        + "\n"
        for sentence in sentences
    )


class _Open:
    """A sentence whose end has not been seen."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.tags: list[str] = []
        self.begun = False
        self.node = 0  # the last empty node after the last word
        self.span = 0, 0  # of the last multiword token

    def take(self, text: str) -> None:
        """Add a line that is not blank. Raises Wrong."""
        if text.startswith("#"):
            if self.begun:
                raise Wrong("a comment within a sentence: a blank line must end that before")
            return
        self.begun = True
        columns = text.split("\t")
        if len(columns) != COLUMNS:
            hint = "" if "\t" in text else ", between tabs"
            raise Wrong(f"{len(columns)} columns, a word of CoNLL-U has {COLUMNS}{hint}")
        name, form, tag = columns[0], columns[1], columns[3]
        found = ID.fullmatch(name)
        if not found:
            raise Wrong(
                f"ID {name!r}: must be a number below 10^9, a range 1-2 or an empty node 1.1"
            )
        if not form:  # an ideographic space is a word of some treebanks
            raise Wrong(f"word {name} has no form (column 2 is empty)")
        first, kind, last = found.groups()
        if kind == "-":
            self._range(int(first), int(last), name)
        elif kind == ".":
            self._empty(int(first), int(last), name)
        else:
            self._word(int(first), form, tag)

    def closed(self) -> Sentence:
        """The whole sentence. Raises Wrong."""
        if not self.words:
            raise Wrong("a sentence without words")
        if self.span[1] > len(self.words):
            first, last = self.span
            raise Wrong(f"the sentence ends at word {len(self.words)}, within {first}-{last}")
        return Sentence(tuple(self.words), tuple(self.tags))

    def _word(self, number: int, form: str, tag: str) -> None:
        if number != len(self.words) + 1:
            right = f"{len(self.words) + 1} is next" if self.words else "a sentence begins with 1"
            raise Wrong(f"word {number}: {right}")
        if tag not in TAGS:
            said = "no part of speech (column 4 is _)" if tag == "_" else f"{tag!r} in column 4"
            hint = did_you_mean(tag, TAGS) or f"; must be one of {', '.join(TAGS)}"
            raise Wrong(f"word {number}, {form!r}: {said}{hint}")
        self.words.append(sys.intern(form))
        self.tags.append(sys.intern(tag))
        self.node = 0

    def _range(self, first: int, last: int, name: str) -> None:
        if last < first:
            raise Wrong(f"multiword token {name} ends before it begins")
        if first != len(self.words) + 1:
            raise Wrong(f"multiword token {name} must stand before word {first}")
        if first <= self.span[1]:
            raise Wrong(f"multiword token {name} overlaps {self.span[0]}-{self.span[1]}")
        self.span = first, last

    def _empty(self, word: int, node: int, name: str) -> None:
        if word != len(self.words):
            raise Wrong(f"empty node {name} must stand after word {word}")
        if node != self.node + 1:
            raise Wrong(f"empty node {name}: {word}.{self.node + 1} is next")
        self.node = node
