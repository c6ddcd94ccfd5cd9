"""Parquet, read in small batches. What a file declares about its size is checked before anything is unpacked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from smelt.data.rows import Flaw, Record
from smelt.errors import DataFault
from smelt.language import say

MAX_RATIO = 1000
"""Bytes that one byte of a file may unpack to. Honest text stays below 100."""
FREE_BYTES = 1 << 28
"""Below this size nothing is suspected."""
MAX_ROWS_PER_BYTE = 100
"""Rows that one byte of a file may hold. Only columns of a single value come near."""
FREE_ROWS = 1 << 24
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Parquet:
    """A parquet file. Its values are what pyarrow makes of them."""

    path: Path
    schema: pa.Schema
    encoding: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the file's order."""
        return tuple(self.schema.names)

    def records(self, columns: Sequence[str]) -> Iterator[Record | Flaw]:
        """Read from the start, one row at a time; `line` counts rows from 1."""
        names = list(columns)
        number = 0
        for batch in self.batches(_BATCH, names):
            cells = [batch.column(batch.schema.get_field_index(name)) for name in names]
            for row in range(batch.num_rows):
                number += 1
                try:
                    yield Record(number, [_value(column[row]) for column in cells])
                except UnicodeDecodeError:
                    yield Flaw(number, say("bytes that are not UTF-8"), "")

    def batches(self, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Read batches of at most `rows` rows with their Arrow types.

        Raises:
            DataFault: the file is damaged, or unpacks to more than a thousand times its size.
        """
        size = self.path.stat().st_size
        seen = 0
        try:
            # Kept as dictionaries, a million mentions of one long text take the memory of one.
            texts = [name for name in columns if _is_text(self.schema.field(name).type)]
            with parquet.ParquetFile(self.path, read_dictionary=texts) as file:
                for batch in file.iter_batches(rows, columns=columns):
                    seen += sum(_unpacked_bytes(column) for column in batch.columns)
                    if seen > max(FREE_BYTES, MAX_RATIO * size):
                        raise _bomb(self.path)
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def open_parquet(path: Path) -> Parquet:
    """Read the schema.

    Raises:
        DataFault: this is no parquet file, it declares an absurd size, or two columns share a name.
    """
    try:
        with parquet.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    declared = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    size = path.stat().st_size
    if declared > max(FREE_BYTES, MAX_RATIO * size) or metadata.num_rows > max(FREE_ROWS, MAX_ROWS_PER_BYTE * size):
        raise _bomb(path)
    double = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if double is not None:
        raise DataFault(
            say("{path}: column '{name}' appears twice", path=path, name=double), step=say("Give every column a name of its own.")
        )
    return Parquet(path, schema)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema with dictionaries undone and without metadata."""
    return pa.schema([(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in schema])


def _value(scalar: pa.Scalar) -> object:
    value = scalar.as_py()
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)


def _unpacked_bytes(column: pa.Array) -> int:
    """Return how many bytes the column's values take when each stands for itself."""
    if not pa.types.is_dictionary(column.type) or not len(column):
        return column.nbytes
    return len(column) * column.dictionary.nbytes // max(1, len(column.dictionary))


def _bomb(path: Path) -> DataFault:
    return DataFault(
        say("{path}: refused: it unpacks to more than {ratio:,} times its size", path=path, ratio=MAX_RATIO),
        step=say("If the file is sound, write its rows as jsonl."),
    )


def _unreadable(path: Path, error: Exception) -> DataFault:
    return DataFault(say("{path}: not a readable parquet file: {reason}", path=path, reason=str(error).split("\n")[0]))
