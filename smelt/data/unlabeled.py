"""Texts without labels: whatever a reference can answer, its students can learn from. Never those that choose or certify."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smelt.data.dataset import Dataset, Split
from smelt.data.formats import open_table
from smelt.data.rows import Flaw, missing_column, text_fault
from smelt.data.staging import text_digest
from smelt.language import say

_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Unlabeled:
    """Texts, each once."""

    texts: list[str]
    left_out: int
    """Texts that stand in dev or confirm, repeat another one, or cannot be used."""


def read_unlabeled(path: Path, column: str, dataset: Dataset) -> Unlabeled:
    """Read a table's column of texts.

    Raises:
        DataFault: the file or the column is missing.
        EnvironmentFault: it may not be read.
    """
    table = open_table(path)
    if column not in table.columns:
        raise missing_column(path, column, table.columns, say("Name the column in compress.transfer.text."))
    seen = {digest for split in (dataset.train, dataset.dev, dataset.confirm) for digest in _digests(split)}
    texts: list[str] = []
    left_out = 0
    for record in table.records((column,)):
        text = None if isinstance(record, Flaw) else record.values[0]
        digest = text_digest(text) if isinstance(text, str) and not text_fault(text) else None
        if digest is None or digest in seen:
            left_out += 1
        else:
            seen.add(digest)
            texts.append(str(text))
    return Unlabeled(texts, left_out)


def _digests(split: Split) -> Iterator[bytes]:
    for start in range(0, len(split), _CHUNK):
        yield from map(text_digest, split.texts(slice(start, start + _CHUNK)))
