"""Answer a file: read a batch of rows, answer it, write it, forget it. Memory does not depend on the number of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np

from smelt.data.stream import Rows, RowWriter, open_rows
from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.run.disk import Disk
from smelt.runtime.bundle import Bundle, score_arrays

_ROWS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What `predict_file` did."""

    rows: int
    empty: int
    """Rows without a text; they are answered as an empty text."""
    column: str
    """Column that was read."""
    unknown_share: float
    """Share of the tokens that the vocabulary does not hold. Fraction."""


@dataclass(frozen=True, slots=True)
class Part:
    """The answers to some texts."""

    predictions: Sequence[str]
    confidences: Sequence[float]
    lengths: Sequence[int]
    """Tokens of each."""
    unknown: int
    """Tokens that the vocabulary does not hold."""


Answer = Callable[[Iterator[list[str]]], Iterator[Part]]
"""Answers chunk after chunk, in their order."""


def answer_texts(bundle: Bundle, texts: Sequence[str]) -> Part:
    """Answer some texts."""
    arrays = bundle.codec.encode(texts)
    answers = bundle.codec.decode(score_arrays(bundle.session, arrays, len(bundle.labels)))
    return Part(answers.predictions, answers.confidences.tolist(), np.diff(arrays.offsets).tolist(), bundle.codec.unknown_tokens(arrays))


def predict_file(
    bundle: Bundle, source: Path, target: Path, *, column: str | None = None, answer: Answer | None = None,
    watch: Callable[[int], None] = lambda _rows: None,
) -> Answered:  # fmt: skip
    """Write the source's rows with `prediction` and `confidence` to the target, which appears whole or not at all.

    Args:
        bundle: to ask.
        source: csv, tsv, jsonl or parquet.
        target: csv, jsonl or parquet.
        column: of the documents; None takes the one of training, else `text`.
        answer: answers the texts; None asks the bundle here.
        watch: hears the number of rows after each batch.

    Raises:
        UsageFault: source and target are the same file.
        DataFault: the column is missing, or a row cannot be read.
    """
    if target.exists() and source.exists() and source.samefile(target):
        raise UsageFault(say("{path}: input and output are the same file", path=target), step=say("Give another name with -o."))
    table = open_rows(source)
    name = text_column(table, bundle, column)
    rows = empty = tokens = unknown = 0
    with RowWriter(target, table.schema, Disk()) as writer:
        batches, again = tee(table.batches(_ROWS))
        chunks = ([as_text(value) for value in batch.column(name).to_pylist()] for batch in again)
        parts = answer(chunks) if answer else (answer_texts(bundle, texts) for texts in chunks)
        for part, batch in zip(parts, batches, strict=True):
            writer.write(batch, part.predictions, part.confidences)
            tokens, unknown, rows = tokens + sum(part.lengths), unknown + part.unknown, rows + len(batch)
            empty += sum(not as_text(value) for value in batch.column(name).to_pylist())
            watch(rows)
    return Answered(rows=rows, empty=empty, column=name, unknown_share=unknown / max(1, tokens))


def text_column(table: Rows, bundle: Bundle, wanted: str | None) -> str:
    """Return the column to read: the one asked for, else the one of training, else `text`.

    Raises:
        DataFault: there is none of these; the message lists the columns.
    """
    names = table.schema.names
    tried = (wanted,) if wanted else (bundle.manifest.text_column, "text")
    found = next((name for name in tried if name in names), None)
    if found is None:
        raise DataFault(
            say(
                "{path}: no column {tried}; there are: {names}",
                path=table.path,
                tried=" / ".join(dict.fromkeys(tried)),
                names=", ".join(names),
            ),
            step=say("Name the column with --text."),
        )
    return found


def as_text(value: object) -> str:
    """Return a cell as text; nothing is an empty text."""
    return "" if value is None else str(value)
