"""A log in a Parquet file, a batch of rows at a time; a file that would not fit is refused."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradlab.errors import UserError
from gradlab.watching import sources
from gradlab.watching.columns import chosen
from gradlab.watching.rows import MOST, Rows

BATCH = 2**16
ROOM = 2**31  # bytes that the chosen columns may take when unpacked


class Parquet:
    """A Parquet file; one that changed is read anew."""

    def __init__(self, path, asked):
        self.path, self._asked, self._stamp = path, asked, None
        self.rows = Rows(path.name)

    def poll(self, last=False):
        """Read the file if it is another one than before; whether it was.

        Raises UserError for what is no log, but not for a file that is half written, unless last.
        """
        found = sources.status(self.path)
        stamp = found and (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp in (None, self._stamp):
            return False
        try:
            self.rows = self._read()
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            if last:
                said = str(error).splitlines()[0]
                raise UserError(f"{self.path.name} cannot be read as Parquet: {said}") from None
            return False
        self._stamp = stamp
        if last and not len(self.rows):
            raise UserError(f"{self.path.name} holds no norms{self.rows.why}")
        return True

    def _read(self):
        rows = Rows(self.path.name)
        with pq.ParquetFile(self.path) as file:
            rows.names = chosen(file.schema_arrow.names, self._asked, rows.where)
            self._check(file, rows.names)
            columns = [*dict.fromkeys(rows.names.values())]
            for batch in file.iter_batches(BATCH, columns=columns, use_threads=False):
                _add(rows, batch)
        return rows

    def _check(self, file, names):
        """Raise UserError for columns that hold no numbers, and for what would fill the memory."""
        kinds = {name: file.schema_arrow.field(name).type for name in names.values()}
        for name, kind in kinds.items():
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise UserError(f"{self.path.name}: column {name} holds {kind}, not numbers")
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        parts = [group.column(i) for group in groups for i in range(group.num_columns)]
        own = [part for part in parts if part.path_in_schema in kinds]
        size = sum(part.total_uncompressed_size for part in own)
        if file.metadata.num_rows > MOST or size > ROOM:
            told = f"{file.metadata.num_rows:,} rows, {size / 2**30:,.1f} GiB unpacked"
            raise UserError(f"{self.path.name} is too large ({told}): keep every tenth row")


def _add(rows, batch):
    columns, missing = {}, {}
    for role, name in rows.names.items():
        found = batch.column(name)
        missing[role] = pc.is_null(found).to_numpy(zero_copy_only=False)
        columns[role] = pc.cast(found, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    rows.add(columns, missing)
