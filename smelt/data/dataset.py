"""A prepared data folder: three memory-mapped Arrow files and the facts about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from smelt.data.rows import ROLES
from smelt.errors import EnvironmentFault
from smelt.language import say

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("label", pa.string())])
GROUPED = SCHEMA.append(pa.field("group", pa.string()))
"""Where rows come in groups."""
FACTS = "data.json"
REJECTS = "rejects.jsonl"


class Split:
    """The rows of one split. Texts are read from the disk when they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        """Take a table with the columns of `SCHEMA`."""
        self._table = table
        chunks = table.column("text").chunks
        self._chunks = chunks
        self._ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._table.num_rows

    def texts(self, rows: slice | Sequence[int] | NDArray[np.integer] = slice(None)) -> list[str]:
        """Return the documents with the given numbers, in that order; all of them by default."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._table.column("text").slice(start, max(0, stop - start)).to_pylist()
            rows = range(start, stop, step)
        places = np.asarray(rows, np.int64)
        places = np.where(places < 0, places + len(self), places)
        if len(places) and not (places.min() >= 0 and places.max() < len(self)):
            raise IndexError(f"rows from {places.min()} to {places.max()}, but the split has {len(self)}")
        chunks = np.searchsorted(self._ends, places, side="right")
        return [
            self._chunks[chunk][place].as_py()
            for chunk, place in zip(chunks, places - np.concatenate([[0], self._ends])[chunks], strict=True)
        ]

    @property
    def labels(self) -> list[str]:
        """The labels of all rows, as a new list."""
        return self._table.column("label").to_pylist()

    @property
    def groups(self) -> list[str] | None:
        """The group of each row, as a new list; None where the data has none."""
        return self._table.column("group").to_pylist() if "group" in self._table.column_names else None

    @property
    def ids(self) -> list[str]:
        """The ids of all rows, as a new list. An id is `<split of the source>-<number of the row>`, or a hash for docstrings."""
        return self._table.column("id").to_pylist()


@dataclass(frozen=True, slots=True)
class Dataset:
    """What teaches (train), chooses (dev) and certifies (confirm)."""

    train: Split
    dev: Split
    confirm: Split
    facts: dict[str, Any]
    """The contents of `data.json`."""


def open_dataset(folder: Path) -> Dataset:
    """Open what `prepare` wrote.

    Raises:
        EnvironmentFault: the folder is missing or damaged.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        train, dev, confirm = (Split(pa.ipc.open_file(pa.memory_map(str(folder / f"{role}.arrow"))).read_all()) for role in ROLES)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise EnvironmentFault(
            say("{folder}: no prepared data: {reason}", folder=folder, reason=error),
            step=say("Run `smelt run` again: it prepares the data first."),
        ) from error
    return Dataset(train, dev, confirm, facts)
