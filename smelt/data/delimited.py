"""csv and tsv as RFC 4180 has them: quoted fields may hold delimiters, quotes and line ends."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.data.encoding import Lines, open_text
from smelt.data.rows import MAX_CHARACTERS, Flaw, Record, excerpt
from smelt.errors import DataFault
from smelt.language import say

_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 16
"""Characters from which the delimiter is guessed."""


@dataclass(frozen=True, slots=True)
class Delimited:
    """A csv or tsv file. Its values are strings, as they stand in the file."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    delimiter: str

    def records(self, columns: Sequence[str]) -> Iterator[Record | Flaw]:
        """Read from the start, one record at a time. Blank lines are none."""
        places = [self.columns.index(name) for name in columns]
        # The module's own limit would cut at 131,072; beyond ours a quote was left open and would swallow the file.
        csv.field_size_limit(MAX_CHARACTERS)
        with open_text(self.path, self.encoding) as stream:
            lines = Lines(stream, self.path)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            next(reader)
            while True:
                line = lines.number + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Flaw(line, say("not csv: {reason}", reason=error), excerpt(lines.latest))
                    continue
                if len(cells) == len(self.columns):
                    yield Record(line, [cells[place] for place in places])
                elif cells:
                    reason = say("{n} fields, but the header has {want}", n=len(cells), want=len(self.columns))
                    yield Flaw(line, reason, excerpt(self.delimiter.join(cells)))


def open_delimited(path: Path, encoding: str, delimiter: str = "") -> Delimited:
    """Read the header.

    Args:
        path: the file.
        encoding: Python's name of it.
        delimiter: empty to guess among comma, semicolon, tab and bar.

    Raises:
        DataFault: there is no header, or two columns share a name.
    """
    with open_text(path, encoding) as stream:
        delimiter = delimiter or _guess(stream.read(_SAMPLE))
        stream.seek(0)
        try:
            columns = next(csv.reader(Lines(stream, path), delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise DataFault(say("{path}:1: not csv: {reason}", path=path, reason=error)) from error
    if not any(columns):
        raise DataFault(say("{path}: no header", path=path), step=say("Put the names of the columns into the first line."))
    name, count = Counter(columns).most_common(1)[0]
    if count > 1:
        raise DataFault(
            say("{path}:1: column '{name}' appears {n} times", path=path, name=excerpt(name), n=count),
            step=say("Give every column a name of its own."),
        )
    return Delimited(path, tuple(columns), encoding, delimiter)


def _guess(sample: str) -> str:
    """Return the delimiter that gives most records as many fields as the header; among equals the most fields."""
    whole = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] if len(sample) == _SAMPLE else sample
    return max(_DELIMITERS, key=lambda delimiter: _fit(whole, delimiter))


def _fit(sample: str, delimiter: str) -> tuple[float, int]:
    # Not strict: a sample may end inside a quoted field.
    records = [cells for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if cells]
    fields = len(records[0]) if records else 0
    if fields < 2:
        return 0.0, 0
    return sum(len(cells) == fields for cells in records) / len(records), fields
