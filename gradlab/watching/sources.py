"""Where a log comes from: a file of lines that grows, a Parquet file, a folder of TensorBoard's.

A source has `poll()`, which reads what is new and says whether anything was, and `rows`, all that
it holds. Polled once it is the file as it stands.
"""

import os
from pathlib import Path

from gradlab.errors import UserError
from gradlab.files import expanded
from gradlab.watching import lines

BLOCK = 2**24  # bytes that are read at once
LINE = 2**20  # the longest line of a log
EDGE = 256  # bytes by which a file that grew is told from another one in its place
TEXT = (".csv", ".tsv", ".txt", ".log", ".jsonl", ".ndjson")


def of(path, asked):
    """The source behind a path. Raises UserError for what is none; it need not be there yet."""
    path = expanded(path)
    if path.is_dir() or "tfevents" in path.name:
        from gradlab.watching import events

        return events.Events(path, asked)
    if path.suffix.lower() == ".parquet":
        from gradlab.watching import parquet

        return parquet.Parquet(path, asked)
    if path.suffix.lower() in TEXT:
        return Growing(path, asked)
    known = f"{', '.join((*TEXT, '.parquet'))} or a folder of TensorBoard's"
    raise UserError(f"{path}: a log is {known}")


def is_nothing(path):
    """Whether nothing stands there."""
    return not path.is_dir() and status(path) is None


def status(path):
    """The file's os.stat; None where there is none. Raises UserError for what is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if not path.is_file():
        raise UserError(f"{path} is no file")
    return found


class Growing:
    """A file of lines, read on from its last whole line.

    One that shrank, was replaced, or whose edges are no longer those that were read, is read anew.
    """

    def __init__(self, path, asked):
        self.path, self._asked = Path(path), asked
        self._anew()

    def _anew(self):
        self._reader = lines.kind_of(self.path.suffix.lower())(self.path.name, self._asked)
        self._at, self._inode, self._head, self._tail = 0, None, b"", b""

    @property
    def rows(self):
        return self._reader.rows

    def poll(self, last=False):
        """Read what is new; whether there was anything. last: a line without an end counts too."""
        found = status(self.path)
        if found is None:
            return False
        with open(self.path, "rb") as file:
            if self._is_another(file, found):
                self._anew()
            self._inode = found.st_ino
            before = self._at
            while block := self._block(file, last):
                self._reader.feed(block if block.endswith(b"\n") else block + b"\n")
                self._keep(block)
        if last:
            self._reader.check()
        return self._at != before

    def _is_another(self, file, found):
        if self._inode is None:
            return False
        if found.st_ino != self._inode or os.fstat(file.fileno()).st_size < self._at:
            return True
        head = file.read(len(self._head))
        file.seek(self._at - len(self._tail))
        return (head, file.read(len(self._tail))) != (self._head, self._tail)

    def _block(self, file, last):
        """Whole lines from where reading ended."""
        file.seek(self._at)
        block = file.read(BLOCK)
        end = block.rfind(b"\n") + 1
        if len(block) - end > LINE:
            raise UserError(
                f"{self.path.name} has a line of more than {LINE:,} bytes: it is no log"
            )
        return block if last and len(block) < BLOCK else block[:end]

    def _keep(self, block):
        self._head = (self._head + block[:EDGE])[:EDGE] if self._at < EDGE else self._head
        self._tail = block[-EDGE:]
        self._at += len(block)
