"""What is in a file or folder that nobody has described yet: for `smelt init`."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from smelt.data.files import DEV_NAMES, find_split, split_files
from smelt.data.formats import Format, open_table, require_format
from smelt.data.rows import Record, Role, Row, Table, check_row, cjk_characters, excerpt, label_name, missing_column, other_characters
from smelt.data.staging import MAX_LABELS
from smelt.errors import DataFault
from smelt.language import say

_TEXTS = ("text", "sentence", "content", "review", "document", "utterance", "文本", "内容", "正文", "评论", "句子")
_LABELS = ("label", "labels", "intent", "category", "class", "sentiment", "topic", "target", "标签", "类别", "分类", "意图", "情感")
_SAMPLE, _LOOKED = 2_000, 100_000
"""Rows from which columns are guessed, spread over as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `smelt init` writes a recipe from. Counts and lengths are of the training file."""

    format: Format
    encoding: str
    """Python's name; empty for parquet."""
    columns: tuple[str, ...]
    text: str
    """Column of the documents."""
    label: str
    """Column of the answers; empty where none was asked for."""
    rows: int
    """Rows that can be used."""
    bad_rows: int
    labels: dict[str, int]
    """Rows by label, sorted by label."""
    characters_p50: int
    characters_p95: int
    characters_max: int
    cjk_share: float
    """Share of Chinese, Japanese and Korean characters. Fraction."""
    other_share: float
    """Share of characters of any alphabet but the Latin one. Fraction."""
    train: str | None
    """Name of the training split in a folder; None for a single file."""
    dev: str | None
    confirm: str | None
    unlabelled: tuple[str, ...] = ()
    """Files of the folder that have no labels, as the test files of contests, and are not used."""


def inspect(path: Path, text: str | None = None, label: str | None = None, *, labelled: bool = True) -> Inspection:
    """Read the training file once and guess what was not said.

    Args:
        path: a file, or a folder with one file per split.
        text: column of the documents; None to guess.
        label: column of the answers; None to guess.
        labelled: look for answers at all.

    Raises:
        DataFault: there is no such file or column, or the guess is not clear; the message lists the columns.
    """
    files = _split_names(path)
    file = files.get("train", path)
    table = open_table(file)
    values = _sample(table)
    text = _said(table, text, "--text") or _guess_text(table, values, label)
    label = _said(table, label, "--label") or (_guess_label(table, values, text) if labelled else "")
    seen = _read(table, text, label)
    if not seen.characters:
        reason = seen.reason or say("no rows")
        raise DataFault(say("{path}: no row of {n:,} can be used: {reason}", path=file, n=seen.bad_rows, reason=reason))
    median, high = np.percentile(np.frombuffer(seen.characters, np.int32), [50, 95])
    known = {str(value) for value in values.get(label, ())}
    unlabelled: list[Role] = [role for role, found in files.items() if role != "train" and label and not _is_labelled(found, label, known)]
    names = {role: found.stem for role, found in files.items() if role not in unlabelled}
    return Inspection(
        format=require_format(file),
        encoding=table.encoding,
        columns=table.columns,
        text=text,
        label=label,
        rows=len(seen.characters),
        bad_rows=seen.bad_rows,
        labels=_named(seen.labels),
        characters_p50=int(median),
        characters_p95=int(high),
        characters_max=max(seen.characters),
        cjk_share=seen.cjk / sum(seen.characters),
        other_share=seen.other / sum(seen.characters),
        train=names.get("train"),
        dev=names.get("dev"),
        confirm=names.get("confirm"),
        unlabelled=tuple(files[role].name for role in unlabelled),
    )


def _is_labelled(path: Path, label: str, known: set[str]) -> bool:
    """Say whether a split can judge: its column of labels is there and holds more than one thing, or one that train knows too."""
    found = {str(value) for value in _sample(open_table(path)).get(label, ())}
    return len(found) > 1 or bool(found & known)


@dataclass(slots=True)
class _Seen:
    """Counts of one pass over the rows."""

    characters: "array[int]" = field(default_factory=lambda: array("i"))
    labels: Counter[str | float] = field(default_factory=Counter)
    cjk: int = 0
    other: int = 0
    bad_rows: int = 0
    reason: str = ""


def _read(table: Table, text: str, label: str) -> _Seen:
    seen = _Seen()
    for record in table.records((text, label) if label else (text,)):
        row = check_row(table.path.name, "", record, labelled=bool(label)) if isinstance(record, Record) else record
        if isinstance(row, Row):
            seen.characters.append(len(row.text))
            seen.cjk += cjk_characters(row.text)
            seen.other += other_characters(row.text)
            seen.labels[row.label] += 1
        else:
            seen.bad_rows += 1
            seen.reason = seen.reason or row.reason
        if len(seen.labels) > MAX_LABELS:
            raise _unclear(
                table, say("column '{name}' has more than {n:,} different values: no labels.", name=label, n=MAX_LABELS), "--label"
            )
    return seen


def _named(labels: Counter[str | float]) -> dict[str, int]:
    whole = all(label.is_integer() for label in labels if isinstance(label, float))
    named: Counter[str] = Counter()
    for label, count in labels.items():
        named[label_name(label, whole=whole)] += count
    return dict(sorted(named.items()))


def _split_names(path: Path) -> dict[Role, Path]:
    """Return the files of a folder by what they can be used for; nothing for a single file."""
    if not path.is_dir():
        return {}
    files = split_files(path)
    if len(files) == 1:
        return {"train": next(iter(files.values()))}
    found: dict[Role, Path] = {"train": find_split(files, "train", path)}
    dev = [files[name] for name in DEV_NAMES if name in files]
    confirm = [files[name] for name in ("confirm", "test") if name in files]
    if len(dev) == 1:
        found["dev"] = dev[0]
    if confirm:
        found["confirm"] = confirm[0]
    return found


def _sample(table: Table) -> dict[str, list[object]]:
    """Return the values of some rows by column, None aside; spread, since a file may be sorted by its labels."""
    rows: list[Sequence[object]] = []
    step = 1
    for number, record in enumerate(islice(table.records(table.columns), _LOOKED)):
        if isinstance(record, Record) and number % step == 0:
            rows.append(record.values)
        if len(rows) > _SAMPLE:
            rows, step = rows[::2], 2 * step
    return {name: [row[place] for row in rows if row[place] is not None] for place, name in enumerate(table.columns)}


def _said(table: Table, column: str | None, flag: str) -> str | None:
    if column is not None and column not in table.columns:
        raise missing_column(table.path, column, table.columns, say("Name the column with {flag}.", flag=flag))
    return column


def _guess_text(table: Table, values: dict[str, list[object]], label: str | None) -> str:
    """Take a column that is called text; else the one with the longest strings, if it is longest by far."""
    lengths = {
        name: sum(len(str(value)) for value in column) / len(column)
        for name, column in values.items()
        if name != label and column and all(isinstance(value, str) for value in column)
    }
    named = next((name for wanted in _TEXTS for name in lengths if name.casefold() == wanted), None)
    if named is not None:
        return named
    longest = sorted(lengths, key=lambda name: -lengths[name])
    if not longest or (len(longest) > 1 and lengths[longest[1]] > lengths[longest[0]] / 2):
        raise _unclear(table, say("which column holds the documents?"), "--text")
    return longest[0]


def _guess_label(table: Table, values: dict[str, list[object]], text: str) -> str:
    """Take a column that is called label or the like; else the only one with few different values."""
    named = next((name for wanted in _LABELS for name in values if name != text and name.casefold() == wanted), None)
    if named is not None:
        return named
    kinds = {name: len({str(value) for value in column}) for name, column in values.items() if name != text}
    few = [name for name, count in kinds.items() if 2 <= count <= max(2, len(values[name]) // 4)]
    if len(few) != 1:
        raise _unclear(table, say("which column holds the labels?"), "--label")
    return few[0]


def _unclear(table: Table, question: str, flag: str) -> DataFault:
    columns = ", ".join(excerpt(name) for name in table.columns[:40])
    return DataFault(
        say("{path}: {question} Columns: {columns}.", path=table.path, question=question, columns=columns),
        step=say("Name the column with {flag}.", flag=flag),
    )
