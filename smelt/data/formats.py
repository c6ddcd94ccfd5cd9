"""Which file endings are tables, and how each is opened."""

from pathlib import Path
from typing import Literal, assert_never

from smelt.data.delimited import open_delimited
from smelt.data.encoding import Wanted, find_encoding
from smelt.data.json_lines import open_json_lines
from smelt.data.parquet import open_parquet
from smelt.data.rows import Table
from smelt.errors import DataFault, EnvironmentFault
from smelt.language import say

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_ENDINGS: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def format_of(path: Path) -> Format | None:
    """Return the format that the file's ending stands for, or None."""
    return _ENDINGS.get(path.suffix.lower())


def require_format(path: Path) -> Format:
    """Return the format that the file's ending stands for.

    Raises:
        DataFault: the ending is none that we know.
    """
    found = format_of(path)
    if found is None:
        raise DataFault(say("{path}: the ending must be one of {endings}", path=path, endings=", ".join(_ENDINGS)))
    return found


def open_table(path: Path, encoding: Wanted = "auto") -> Table:
    """Open a table by its ending and read its columns.

    Args:
        path: a csv, tsv, jsonl or parquet file.
        encoding: of text files; parquet has none.

    Raises:
        DataFault: the file is missing, empty, damaged, or of an unknown format.
        EnvironmentFault: it may not be read.
    """
    kind = require_format(path)
    try:
        if not path.is_file():
            raise DataFault(say("{path}: no such file", path=path))
        if path.stat().st_size == 0:
            raise DataFault(say("{path}: the file is empty", path=path))
        match kind:
            case "csv":
                return open_delimited(path, find_encoding(path, encoding))
            case "tsv":
                return open_delimited(path, find_encoding(path, encoding), "\t")
            case "jsonl":
                return open_json_lines(path, find_encoding(path, encoding))
            case "parquet":
                return open_parquet(path)
            case _:
                assert_never(kind)
    except OSError as error:
        raise EnvironmentFault(say("{path}: {reason}", path=path, reason=error.strerror or error)) from error
