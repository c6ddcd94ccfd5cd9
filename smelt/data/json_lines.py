"""jsonl: one JSON object per line."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from smelt.data.encoding import Lines, open_text
from smelt.data.rows import Flaw, Record, excerpt
from smelt.errors import DataFault
from smelt.language import say

_SAMPLE = 1000
"""Objects whose keys are taken for the columns."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A jsonl file. Its values are what JSON makes of them; a key that an object lacks is None."""

    path: Path
    columns: tuple[str, ...]
    encoding: str

    def records(self, columns: Sequence[str]) -> Iterator[Record | Flaw]:
        """Read from the start, one line at a time. Blank lines are none."""
        for line, value in _values(self.path, self.encoding):
            yield value if isinstance(value, Flaw) else Record(line, [value.get(name) for name in columns])


def open_json_lines(path: Path, encoding: str) -> JsonLines:
    """Take the columns from the first thousand objects.

    Raises:
        DataFault: the file holds no object.
    """
    values = [value for _, value in islice(_values(path, encoding), _SAMPLE)]
    columns = tuple(dict.fromkeys(name for value in values if isinstance(value, dict) for name in value))
    if columns:
        return JsonLines(path, columns, encoding)
    first = next((f"{path}:{value.line}: {value.reason}" for value in values if isinstance(value, Flaw)), say("{path}: no rows", path=path))
    raise DataFault(first, step=say("A jsonl file holds one JSON object per line, with the columns as keys."))


def kinds_of_values(table: JsonLines) -> dict[str, set[type]]:
    """Read the whole file and return every key, in order of appearance, with the types of its values.

    None has no type, and a whole number of more than 64 bits counts as an object.
    """
    kinds: dict[str, set[type]] = {}
    for _, value in _values(table.path, table.encoding):
        if isinstance(value, dict):
            for name, cell in value.items():
                kinds.setdefault(name, set()).update(_kind(cell))
    return kinds


def _kind(cell: object) -> set[type]:
    if cell is None:
        return set()
    return {dict} if isinstance(cell, int) and not -(1 << 63) <= cell < 1 << 63 else {type(cell)}


def _values(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, object] | Flaw]]:
    with open_text(path, encoding) as stream:
        for number, line in enumerate(Lines(stream, path), 1):
            if line.isspace():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = say("nested too deep") if isinstance(error, RecursionError) else str(error)
                yield number, Flaw(number, say("not JSON: {reason}", reason=excerpt(reason)), excerpt(line))
                continue
            if isinstance(value, dict):
                yield number, value
            else:
                yield number, Flaw(number, say("a JSON {type}, want an object", type=type(value).__name__), excerpt(line))
