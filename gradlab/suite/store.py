"""Tables on disk: one immutable Parquet shard a block, and one table when a sweep is complete.

results/NAME.shards/HASH.parquet is written by the driver alone: temporary name, fsync, rename,
fsync of the folder. Parquet notices flipped bits only with page checksums: 203 of 400 single-bit
flips were read as wrong numbers without, none with. Shards of other grids and older sources stay
(an edited grid often comes back); deleting NAME.shards is always safe.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gradlab.errors import UserError

ORIGIN = b"gradlab"  # the schema's metadata: who computed the block, and in how many seconds


class Damaged(Exception):
    """A stored table that cannot be trusted."""


@contextmanager
def replacing(path):
    """A temporary path whose file takes the place of `path` at the end, or never."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def write(frame, path, origin=None):
    """Write a table with page checksums; `origin` is a dict kept beside it."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**table.schema.metadata, ORIGIN: json.dumps(origin or {}).encode()}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, write_page_checksum=True)


def read(path):
    """(table, origin). Raises FileNotFoundError, or Damaged if any checksum disagrees."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        return table.to_pandas(), json.loads(table.schema.metadata[ORIGIN])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise Damaged(str(path)) from error


def read_shard(path, block):
    """(rows, origin) of a stored block, None if there is none. Raises Damaged."""
    if not path.exists():
        return None
    frame, origin = read(path)
    for axis, values in block.points.items():
        if axis not in frame or frame[axis].tolist() != values.tolist():
            raise Damaged(str(path))
    return frame, origin


def read_table(folder, name) -> pd.DataFrame:
    """The finished table of an experiment. Raises UserError if it is missing or damaged."""
    path = Path(folder) / f"{name}.parquet"
    try:
        return read(path)[0]
    except FileNotFoundError:
        raise UserError(f"no table {path}; `gradlab run {name}` makes it") from None
    except Damaged:
        raise UserError(f"{path} is damaged; `gradlab run {name}` makes it again") from None
