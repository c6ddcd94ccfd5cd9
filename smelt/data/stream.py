"""Tables in and out with constant memory: every column of the input, and what was predicted.

Text comes in as UTF-8, UTF-16 with a byte-order mark or GB18030, and goes out as UTF-8. A csv value stays the string it is ("007").
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, assert_never

import pyarrow as pa
from pyarrow import parquet

from smelt.data.encoding import Wanted
from smelt.data.formats import Format, open_table, require_format
from smelt.data.json_lines import JsonLines, kinds_of_values
from smelt.data.parquet import Parquet, plain_schema
from smelt.data.rows import Flaw, Record, Table, excerpt
from smelt.errors import DataFault
from smelt.language import say
from smelt.run.disk import Disk, io_fault

JSON = {b"smelt": b"json"}
"""Metadata of a string column whose values are JSON texts: objects, arrays, or values of several types in one jsonl key."""
PREDICTION = pa.field("prediction", pa.string())
CONFIDENCE = pa.field("confidence", pa.float64())
_QUOTED = re.compile(r'[,;\t|"\r\n]|^\s|\s$')
_ARROW = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


@dataclass(frozen=True, slots=True)
class Rows:
    """A table to be read in batches, any number of times."""

    path: Path
    schema: pa.Schema
    """csv has strings only; jsonl and parquet keep numbers as numbers."""
    table: Table

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Read batches of at most `rows` rows with all columns, in the file's order.

        Raises:
            DataFault: a row cannot be read; the message names its line. Nothing is left out in silence.
        """
        if isinstance(self.table, Parquet):
            return self._parquet(self.table, rows)
        return self._text(rows)

    def _parquet(self, table: Parquet, rows: int) -> Iterator[pa.RecordBatch]:
        for batch in table.batches(rows, list(table.columns)):
            plain = pa.RecordBatch.from_arrays(
                [column.cast(field.type) for column, field in zip(batch.columns, self.schema, strict=True)], schema=self.schema
            )
            try:
                plain.validate(full=True)
            except pa.ArrowInvalid as error:
                raise DataFault(say("{path}: {reason}", path=self.path, reason=excerpt(error))) from error
            yield plain

    def _text(self, rows: int) -> Iterator[pa.RecordBatch]:
        records = self.table.records(self.schema.names)
        while chunk := list(islice(records, rows)):
            sound = [self._sound(record) for record in chunk]
            columns = [pa.array(values, field.type) for values, field in zip(zip(*sound, strict=True), self.schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _sound(self, record: Record | Flaw) -> list[object]:
        try:
            if isinstance(record, Flaw):
                raise ValueError(record.reason)
            values = [_jsoned(value, field) for value, field in zip(record.values, self.schema, strict=True)]
            "".join(value for value in values if isinstance(value, str)).encode()
        except (ValueError, RecursionError) as error:
            raise DataFault(
                say("{path}:{line}: {reason}", path=self.path, line=record.line, reason=excerpt(error)),
                step=say("Mend or remove this row: every row gets an answer, none is left out in silence."),
            ) from error
        return values


def open_rows(path: Path, encoding: Wanted = "auto") -> Rows:
    """Open a csv, tsv, jsonl or parquet file with all its columns. A jsonl file is read once to learn its keys and types.

    Raises:
        DataFault: the file is missing, empty, damaged, or of an unknown format.
        EnvironmentFault: it may not be read.
    """
    table = open_table(path, encoding)
    if isinstance(table, Parquet):
        return Rows(path, plain_schema(table.schema), table)
    if isinstance(table, JsonLines):
        kinds = kinds_of_values(table)
        return Rows(path, pa.schema([_field(name, types) for name, types in kinds.items()]), replace(table, columns=tuple(kinds)))
    return Rows(path, pa.schema([(name, pa.string()) for name in table.columns]), table)


class RowWriter:
    """Writes a table with the columns of the input, then `prediction` and `confidence`, in the format of the path's ending.

    Use it in a `with` block: the file appears at its end, whole, and not at all after an error. Text is UTF-8 with line feeds.
    """

    def __init__(self, path: Path, schema: pa.Schema, disk: Disk) -> None:
        """Begin a file beside the target.

        Args:
            path: where the file shall stand. What stands there is replaced.
            schema: of the batches that will come.
            disk: through which the file is put in place.

        Raises:
            DataFault: the ending is unknown, or the input already has a column of one of the two names.
            EnvironmentFault: the folder cannot be written.
        """
        for added in (PREDICTION, CONFIDENCE):
            if added.name in schema.names:
                raise DataFault(
                    say("the input has a column '{name}' already, which the output adds", name=added.name),
                    step=say("Rename or remove that column of the input."),
                )
        kind = require_format(path)
        self._path, self._disk = path, disk
        self._beside = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = _open_sink(kind, self._beside, schema.append(PREDICTION).append(CONFIDENCE))
        except OSError as error:
            raise io_fault(path, error) from error

    def write(self, batch: pa.RecordBatch, predictions: Sequence[str], confidences: Sequence[float]) -> None:
        """Append rows and their answers. All three have the same length; confidences are rounded to six digits."""
        added = [pa.array(list(predictions), PREDICTION.type), pa.array([round(float(share), 6) for share in confidences], CONFIDENCE.type)]
        schema = batch.schema.append(PREDICTION).append(CONFIDENCE)
        try:
            self._sink.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema))
        except OSError as error:
            raise io_fault(self._path, error) from error

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Put the file in place, or remove what was begun."""
        try:
            self._sink.close()
            if error is None:
                self._disk.sync(self._beside)
                self._disk.rename(self._beside, self._path)
                self._disk.sync(self._path.parent)
        except OSError as failure:
            raise io_fault(self._path, failure) from failure
        finally:
            self._beside.unlink(missing_ok=True)


class _Sink(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


class _TextSink:
    """Lines of text, one per row."""

    def __init__(self, path: Path, head: str, line: Callable[[list[object]], str]) -> None:
        self._stream: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._line = line
        self._stream.write(head)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        columns = [column.to_pylist() for column in batch.columns]
        self._stream.writelines(self._line(list(row)) for row in zip(*columns, strict=True))

    def close(self) -> None:
        self._stream.close()


def _open_sink(kind: Format, path: Path, schema: pa.Schema) -> _Sink:
    match kind:
        case "csv" | "tsv":
            delimiter = "," if kind == "csv" else "\t"
            return _TextSink(path, _csv_line(list(schema.names), delimiter), lambda row: _csv_line(row, delimiter))
        case "jsonl":
            return _TextSink(path, "", lambda row: _json_line(row, schema))
        case "parquet":
            return parquet.ParquetWriter(str(path), schema, compression="zstd")
        case _:
            assert_never(kind)


def _csv_line(row: Sequence[object], delimiter: str) -> str:
    # Python 3.11's csv leaves a lone carriage return unquoted, which splits the row for every reader.
    cells = (_csv_cell(value) for value in row)
    return delimiter.join('"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells) + "\n"


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _json_line(row: list[object], schema: pa.Schema) -> str:
    cells = (
        str(value) if field.metadata == JSON and value is not None else _json_cell(value) for value, field in zip(row, schema, strict=True)
    )
    return (
        "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {cell}" for name, cell in zip(schema.names, cells, strict=True)) + "}\n"
    )


def _json_cell(value: object) -> str:
    # JSON has no word for nan and infinity.
    unsayable = isinstance(value, float) and not math.isfinite(value)
    return "null" if unsayable else json.dumps(value, ensure_ascii=False, default=str)


def _field(name: str, kinds: set[type]) -> pa.Field:
    if len(kinds) > 1 or not kinds <= set(_ARROW):
        return pa.field(name, pa.string(), metadata=JSON)
    return pa.field(name, _ARROW[next(iter(kinds), str)])


def _jsoned(value: object, field: pa.Field) -> object:
    return json.dumps(value, ensure_ascii=False) if value is not None and field.metadata == JSON else value
