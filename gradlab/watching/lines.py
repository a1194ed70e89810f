"""A log of lines, fed block by block as it is written: .csv of whatever separator, or JSON lines.

A line that is no row (cut short by a killed process, a header again, text where a number should be)
is left out and counted: a log that two runs wrote is still a log.
"""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from gradlab.errors import UserError
from gradlab.watching.columns import ROLES, chosen, there
from gradlab.watching.rows import Rows
from gradlab.watching.texts import MISSING, numbers

COMMENT = "#"
SEPARATORS = ",;\t|"
STRANGE = "not as the header says"  # too many fields, too few, or text
NORM, KINDS = ROLES.index("norm"), 1000  # kinds of lines: sets of names that they have
WIDE = {b"\xff\xfe", b"\xfe\xff"}  # UTF-16


def kind_of(suffix):
    """The reader of such a file."""
    return JsonLines if suffix in (".jsonl", ".ndjson") else Csv


class _Lines:
    def __init__(self, where, asked):
        self.where, self.asked, self.rows = where, asked, Rows(where)
        self._begun, self._numberless = False, ""

    def feed(self, block):
        """Read bytes that end with a line. Raises UserError for what is no such log."""
        if not self._begun:
            if block[:2] in WIDE:
                raise UserError(f"{self.where} is UTF-16: save it as UTF-8")
            block, self._begun = block.removeprefix(b"\xef\xbb\xbf"), True
        if b"\0" in block:
            raise UserError(f"{self.where} holds bytes that no text has: it is no log of lines")
        try:
            block.decode()
        except UnicodeDecodeError:
            raise UserError(f"{self.where} is not UTF-8: it is no log of lines") from None
        self._read(block.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))

    def check(self):
        """Raise UserError if the file, read to its end, holds no norms at all."""
        if not len(self.rows):
            self._complain()
            raise UserError(f"{self.where} holds no norms{self._numberless or self.rows.why}")

    def _complain(self):
        raise NotImplementedError


class Csv(_Lines):
    """A header, then rows; lines that begin with # are passed over.

    Where they are all that names the columns, as numpy.savetxt has it, the last one is the header.
    """

    def __init__(self, where, asked):
        super().__init__(where, asked)
        self._header, self._comment = None, ""

    def _complain(self):
        if self._header is None:
            raise UserError(f"{self.where} is empty: it has no header yet")

    def _read(self, block):
        while self._header is None and block:
            line, _, block = block.partition(b"\n")
            block = self._begin(line.decode().strip(), block)
        if block:
            self._add(block)

    def _begin(self, line, block):
        """The header, if it is this line; what is left to read."""
        if line.startswith(COMMENT):
            self._comment = line.lstrip(COMMENT).strip()
        elif line:
            try:
                again = all(map(_is_number, _fields(line)[1])) and self._comment
                self._separator, self._header = _fields(self._comment if again else line)
            except csv.Error as error:  # a field of a megabyte
                raise UserError(f"{self.where} begins with no header of names: {error}") from None
            if all(map(_is_number, self._header)):
                held = ",".join(self._header[:6])
                raise UserError(f"{self.where} begins with {held}: no header? It must name columns")
            self.rows.names = chosen(self._header, self.asked, self.where)
            return line.encode() + b"\n" + block if again else block
        return block

    def _add(self, block):
        table = pc.read_csv(
            pa.BufferReader(block),
            pc.ReadOptions(
                column_names=[str(i) for i in range(len(self._header))],
                use_threads=False,
                block_size=max(len(block), 1),
            ),
            pc.ParseOptions(delimiter=self._separator, invalid_row_handler=self._skip),
            pc.ConvertOptions(
                include_columns=list(map(str, self._places())),
                column_types={str(i): pa.string() for i in self._places()},
                strings_can_be_null=False,
            ),
        )
        first = table.column(0).combine_chunks().to_numpy(zero_copy_only=False)
        remark = np.fromiter((text.lstrip().startswith(COMMENT) for text in first), bool)
        self._convert(table, remark)

    def _places(self):
        """Of the first column, where a comment begins, and of the chosen ones."""
        return sorted({0, *map(self._header.index, self.rows.names.values())})

    def _convert(self, table, remark):
        columns, missing, wrong = {}, {}, np.zeros(len(remark), bool)
        for role, name in self.rows.names.items():
            texts = table.column(str(self._header.index(name))).combine_chunks()
            found = numbers(texts, comma=self._separator != ",")
            columns[role], missing[role], strange = found
            if role == "norm" and strange.any() and not self._numberless:
                text = texts[int(strange.argmax())].as_py()
                self._numberless = f": {name} is {text!r}"
            wrong |= strange
        wrong &= ~remark
        self.rows.left[STRANGE] += int(wrong.sum())
        keep = ~(wrong | remark)
        self.rows.add(
            {role: values[keep] for role, values in columns.items()},
            {role: values[keep] for role, values in missing.items()},
        )

    def _skip(self, row):
        if not row.text.lstrip().startswith(COMMENT):
            self.rows.left[STRANGE] += 1
        return "skip"


class JsonLines(_Lines):
    """An object a line, as a logger writes it; objects within objects are named train/grad_norm."""

    def __init__(self, where, asked):
        super().__init__(where, asked)
        self._chosen, self._seen = {}, {}

    def _complain(self):
        if not self._seen:
            raise UserError(f"{self.where} holds no lines of JSON objects")
        chosen(list(self._seen), self.asked, self.where)

    def _read(self, block):
        found = [row for line in block.splitlines() if line.strip() for row in self._row(line)]
        values = np.array(found, np.float64).reshape(-1, len(ROLES)).T.copy()
        columns = dict(zip(ROLES, values, strict=True))
        if "update" not in self.rows.names:
            del columns["update"]
        if found:
            self.rows.add(columns, {})

    def _row(self, line):
        """The line's values by ROLES, nan for none, if it has a norm."""
        try:
            said = _flat(json.loads(line))
        except (ValueError, RecursionError):
            self.rows.left[STRANGE] += 1
            return
        names = self._names(tuple(said))
        values = [_value(said.get(names.get(role))) for role in ROLES]
        if values[NORM] is None:
            self.rows.left["without a norm"] += 1
        else:
            yield [np.nan if value is None else value for value in values]

    def _names(self, keys):
        """Which of a line's keys are meant: lines of several kinds take turns."""
        if keys not in self._chosen:
            if len(self._chosen) == KINDS:
                raise UserError(f"{self.where} has lines of more than {KINDS} kinds: it is no log")
            self._seen |= dict.fromkeys(keys)
            names = there(keys, self.asked, self.where)
            self._chosen[keys] = names
            self.rows.names = self.rows.names | names if "norm" in names else self.rows.names
        return self._chosen[keys]


def _fields(line):
    """(separator, names) of a header: the separator that splits it most."""
    split = {mark: next(csv.reader([line], delimiter=mark), []) for mark in SEPARATORS}
    mark = max(split, key=lambda mark: len(split[mark]))
    return mark, [name.strip() for name in split[mark]]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _flat(said, before=""):
    """{name: value} of an object, those within it named by their path."""
    if not isinstance(said, dict):
        raise ValueError("not an object")
    found = {}
    for name, value in said.items():
        own = f"{before}{name}"
        found |= _flat(value, f"{own}/") if isinstance(value, dict) else {own: value}
    return found


def _value(value):
    """A number, also as a text; None for none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and value.strip().lower() in MISSING:
        return None
    try:
        return float(value)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return None
