"""Tables on disk: one immutable Parquet shard a block, and one table when a sweep is complete.

results/NAME.shards/POINTS-SOURCES.parquet is written by the driver alone; a long sweep's go into
packs (gradlab/suite/packs.py). Every byte of a file is
under a digest: of 4,000 single flipped bits in a shard, Parquet's page checksums let 86 rename a
column and 9 change the provenance, for they leave headers and footer open. A table's digest stands
in NAME.json too. Shards of other grids and older sources stay (an edited grid often comes back);
deleting NAME.shards is always safe.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gradlab import files
from gradlab.errors import UserError
from gradlab.files import alone, check_place, expanded, replacing_together
from gradlab.suite import packs

ORIGIN = b"gradlab"  # the schema's metadata: who computed the block, and in how many seconds
SEALED = b"gradlab.sealed"  # the schema's metadata: this file has a seal
SEAL = b"gradlab sha256: "  # and 32 bytes, between the last page and the footer
TABLE, SELF = "table_sha256", "sha256"  # of NAME.json: the table's digest, and its own


class Damaged(Exception):
    """A stored file that cannot be trusted."""


def write(frame, path, origin=None):
    """Write a table under a digest and return the file's; `origin` is a dict kept beside it."""
    content = _content(frame, origin)
    files.write(path, content)
    return hashlib.sha256(content).hexdigest()


def write_run(frame, said, table, beside):
    """Write a finished run's table, and what is said of it, a dict, with its digest: both or none.

    Returns what was said of the table that they replace, {} if there was none or it is damaged.

    One after the other, a full disk or a second run in between would leave a table that disagrees
    with what is said of it: of two runs at once every tenth pair did.
    """
    content = _content(frame)
    words = _json({**said, TABLE: hashlib.sha256(content).hexdigest()})
    former = {}

    def look():
        with suppress(OSError, Damaged):
            former.update(read_json(beside))

    with replacing_together(table, beside, before=look) as temporaries:
        for temporary, path, text in zip(
            temporaries, (table, beside), (content, words), strict=True
        ):
            with files.telling(path, len(text)):
                temporary.write_bytes(text)
    return former


def _content(frame, origin=None):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    said = {ORIGIN: json.dumps(origin or {}).encode(), SEALED: b"1"}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, **said}),
        sink,
        write_page_checksum=True,
    )
    return _sealed(sink.getvalue().to_pybytes())


def read(path):
    """(table, origin) of a whole file. Raises FileNotFoundError, or Damaged."""
    return _read(path, Path(path).read_bytes())


def read_shard(path, block):
    """(rows, origin) of a stored block, None if there is none. Raises Damaged."""
    found = packs.read(path)
    if found is None:
        return None
    content, file = found
    where = path if file == path else f"{path.name} in {file}"
    if not _is_sealed(content):
        raise Damaged(str(where))
    frame, origin = _read(where, content)
    for axis, values in block.points.items():
        if axis not in frame or frame[axis].tolist() != values.tolist():
            raise Damaged(str(where))
    return frame, origin


def sources(path):
    """{file: digest} that a shard says it is of, unchecked; {} if it says none."""
    try:
        content = pa.BufferReader(packs.read(path)[0])
        return json.loads(pq.read_schema(content).metadata[ORIGIN]).get("sources", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return {}


def read_table(folder, name) -> pd.DataFrame:
    """The finished table of an experiment. Raises UserError if it is missing or damaged.

    A table whose NAME.json names no digest, as they were written until 0.1, is read without one.
    """
    folder = expanded(folder)
    path, beside = folder / f"{name}.parquet", folder / f"{name}.json"
    check_place(path)
    try:
        try:
            return _read_beside(path, beside)
        except Damaged:
            with alone(folder):  # another run may just have replaced both, one after the other
                return _read_beside(path, beside)
    except FileNotFoundError:
        raise UserError(f"no table {path}; `gradlab run {name}` makes it") from None
    except Damaged as file:
        raise UserError(
            f"{file} is damaged; `gradlab run {name}` makes it again, or `git checkout` if it is "
            "in a repository"
        ) from None


def _read_beside(path, beside):
    content = path.read_bytes()
    digest = read_json(beside).get(TABLE) if beside.exists() else None
    if digest and digest != hashlib.sha256(content).hexdigest():
        raise Damaged(str(path))
    return _read(path, content)[0]


def write_json(content, path):
    """Write a dict as JSON, a line for each of its keys, the last of them its digest."""
    files.write(path, _json(content))


def _json(content):
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    text = "{\n" + "".join(f"{line},\n" for line in lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{text} "{SELF}": "{digest}"\n}}\n'.encode()


def read_json(path):
    """The dict of `write_json`, or of a file without digests. Raises Damaged."""
    content = Path(path).read_bytes().replace(b"\r\n", b"\n")  # as git writes it on Windows
    try:
        said = json.loads(content)
        digest = said.pop(SELF, None)
        if digest is None and TABLE not in said:
            return said
        text = content.rpartition(b' "')[0].rpartition(b' "')[0]
        if content != text + f' "{SELF}": "{hashlib.sha256(text).hexdigest()}"\n}}\n'.encode():
            raise Damaged(str(path))
        return said
    except (ValueError, AttributeError, TypeError) as error:
        raise Damaged(str(path)) from error


def _sealed(content):
    """A Parquet file with the digest of all of its bytes before its footer, where none reads."""
    place = _footer(content)
    return content[:place] + SEAL + hashlib.sha256(content).digest() + content[place:]


def _is_sealed(content):
    """Whether a seal stands before the footer and agrees."""
    stop = _footer(content)
    start = stop - len(SEAL) - 32
    if start < 0 or content[start : start + len(SEAL)] != SEAL:
        return False
    digest = hashlib.sha256(content[:start] + content[stop:]).digest()
    return digest == content[stop - 32 : stop]


def _footer(content):
    """Where the footer starts: its length are the four bytes before the closing PAR1."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def _read(path, content):
    sealed = _is_sealed(content)
    if SEAL in content and not sealed:
        raise Damaged(str(path))
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        said = table.schema.metadata
        if SEALED in said and not sealed:
            raise Damaged(str(path))
        return table.to_pandas(), json.loads(said[ORIGIN])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise Damaged(str(path)) from error
