"""All rows of a source on disk once; in memory only what splitting needs, some 40 bytes per row however long the texts are."""

import hashlib
import json
import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from smelt.data.rows import ROLES, Reject, Row, Source, cjk_characters, label_name
from smelt.errors import DataFault
from smelt.language import say

SCHEMA = pa.schema([("id", pa.string()), ("line", pa.int64()), ("text", pa.string()), ("label", pa.int32()), ("group", pa.string())])
MAX_LABELS = 10_000
"""More different answers than this are no classes."""
_BATCH_ROWS = 4096
_BATCH_CHARACTERS = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The good rows of all parts, numbered from 0: train, then dev, then confirm. Arrays have shape (rows,) where nothing else is said."""

    path: Path
    """Arrow file with the columns of `SCHEMA`. Its labels count in order of appearance; `order` maps them."""
    roles: NDArray[np.int8]
    """Place in `ROLES`."""
    texts: NDArray[np.int64]
    """Equal numbers mean equal texts after NFC and stripping (16 bytes of BLAKE2b)."""
    labels: NDArray[np.int32]
    """Place in `names`."""
    groups: NDArray[np.int64] | None
    """Equal numbers mean equal groups; None where there are none."""
    characters: NDArray[np.int32]
    cjk: NDArray[np.int32]
    """Chinese, Japanese and Korean characters."""
    names: tuple[str, ...]
    """The labels, sorted."""
    order: NDArray[np.int32]
    """Place in `names` of the labels by appearance. Shape (labels as they were spelt,)."""
    bad_rows: int


def stage(source: Source, path: Path, rejects: Path) -> Staged:
    """Read every part once.

    Args:
        source: what is read.
        path: Arrow file to write.
        rejects: jsonl file to write, a line per row that may not be used.

    Raises:
        DataFault: there are no rows, too many bad ones, or too many labels.
    """
    columns = _Columns()
    with pa.ipc.new_file(str(path), SCHEMA) as sink, rejects.open("w", encoding="utf-8") as stream:
        bad = _Rejects(stream)
        for role, part in source.parts.items():
            for rows in _batches(bad.sift(part.rows())):
                sink.write_batch(columns.add(ROLES.index(role), rows))
    bad.judge(len(columns.labels), source.max_bad_share)
    return columns.finish(path, bad.count)


@dataclass(slots=True)
class _Rejects:
    """Writes down the rows that may not be used, and lets the others through."""

    stream: IO[str]
    count: int = 0
    first: list[Reject] = field(default_factory=list)

    def sift(self, rows: Iterable[Row | Reject]) -> Iterator[Row]:
        for row in rows:
            if isinstance(row, Row):
                yield row
                continue
            self.count += 1
            self.stream.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")
            if len(self.first) < 5:
                self.first.append(row)

    def judge(self, good: int, max_bad_share: float) -> None:
        total = good + self.count
        if self.count > max_bad_share * total:
            head = say("{bad:,} of {n:,} rows cannot be used ({share:.2%})", bad=self.count, n=total, share=self.count / total)
            lines = [f"    {bad.file}:{bad.line}  {bad.reason}" + (f"  | {bad.excerpt}" if bad.excerpt else "") for bad in self.first]
            raise DataFault(
                "\n".join([head, *lines]),
                step=say("Mend them, or raise data.max_bad_share, now {share:.2%}.", share=max_bad_share),
            )
        if total == 0:
            raise DataFault(say("no rows"), step=say("The data has a header at most. Give it rows."))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row.text)
        if len(batch) == _BATCH_ROWS or characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Columns:
    """What stays in memory while rows pass."""

    def __init__(self) -> None:
        self.roles = array("b")
        self.digests = bytearray()
        self.groups = array("q")
        self.group_numbers: dict[str, int] = {}
        self.labels = array("i")
        self.characters = array("i")
        self.cjk = array("i")
        self.spellings: dict[str | float, int] = {}

    def add(self, role: int, rows: list[Row]) -> pa.RecordBatch:
        labels = [self._number(row) for row in rows]
        self.roles.extend([role] * len(rows))
        self.labels.extend(labels)
        self.characters.extend(len(row.text) for row in rows)
        self.cjk.extend(cjk_characters(row.text) for row in rows)
        for row in rows:
            self.digests += text_digest(row.text)
        self.groups.extend(self.group_numbers.setdefault(row.group, len(self.group_numbers)) for row in rows)
        fields = ([getattr(row, name) for row in rows] for name in ("id", "line", "text"))
        return pa.record_batch([*fields, labels, [row.group for row in rows]], schema=SCHEMA)

    def finish(self, path: Path, bad_rows: int) -> Staged:
        whole = all(label.is_integer() for label in self.spellings if isinstance(label, float))
        spelt = [label_name(label, whole=whole) for label in self.spellings]
        names = tuple(sorted(set(spelt)))
        order = np.array([names.index(name) for name in spelt], np.int32)
        return Staged(
            path=path,
            roles=np.frombuffer(self.roles, np.int8),
            # Comparing S16 drops trailing NULs of both sides: as all are 16 bytes long, equal still means equal.
            texts=np.unique(np.frombuffer(self.digests, "S16"), return_inverse=True)[1],
            labels=order[np.frombuffer(self.labels, np.int32)],
            groups=np.frombuffer(self.groups, np.int64) if any(self.group_numbers) else None,
            characters=np.frombuffer(self.characters, np.int32),
            cjk=np.frombuffer(self.cjk, np.int32),
            names=names,
            order=order,
            bad_rows=bad_rows,
        )

    def _number(self, row: Row) -> int:
        number = self.spellings.setdefault(row.label, len(self.spellings))
        if number >= MAX_LABELS:
            raise DataFault(
                say("row {row}: more than {n:,} different labels", row=row.id, n=MAX_LABELS),
                step=say("Is data.label the column of the answers? Classification wants few labels with many rows each."),
            )
        return number


def text_digest(text: str) -> bytes:
    """Return what two texts share if they are the same one: 16 bytes, whatever the spaces around it and the form of its accents."""
    return hashlib.blake2b(unicodedata.normalize("NFC", text.strip()).encode(), digest_size=16).digest()
