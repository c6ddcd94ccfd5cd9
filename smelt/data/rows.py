"""What a row must be before it may teach or judge, and what becomes of one that is not."""

import difflib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from smelt.errors import DataFault
from smelt.language import say
from smelt.recipe.data import FilesData, HubData

Role = Literal["train", "dev", "confirm"]
ROLES: tuple[Role, ...] = ("train", "dev", "confirm")
MAX_CHARACTERS = 1_000_000
"""Longest document. What is longer is a parsing accident, or an attack."""
_NOT_LATIN = re.compile(
    "[\u0370-\u1dff\u2c00-\u2dff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ud7af\uf900-\ufdff\U00020000-\U0003ffff]"
)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


class Record(NamedTuple):
    """One record of a table, its values not looked at yet."""

    line: int
    """Where it begins, from 1. In parquet the number of the row."""
    values: Sequence[object]
    """In the order of the columns asked for; None where there is no value."""


class Flaw(NamedTuple):
    """One record that cannot even be taken apart."""

    line: int
    reason: str
    excerpt: str


class Table(Protocol):
    """A file of records with named columns."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the file's order."""
        ...

    @property
    def encoding(self) -> str:
        """Python's name of the character encoding; empty in parquet."""
        ...

    def records(self, columns: Sequence[str]) -> Iterator[Record | Flaw]:
        """Read from the start, one record at a time."""
        ...


class Row(NamedTuple):
    """A row that may be used."""

    id: str
    line: int
    text: str
    label: str | float
    """Empty where the task has no labels. A float until all labels are known: `1.0` is called "1" if every label is a whole number."""
    group: str = ""
    """Whom the row comes from; empty where the recipe names no column of groups."""


class Reject(NamedTuple):
    """A row that may not, as a line of the reject file."""

    file: str
    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one split, as a source holds them."""

    file: str
    """What stands before the line number in messages."""
    rows: Callable[[], Iterator[Row | Reject]]
    """Reads them from the start."""
    notes: tuple[str, ...] = ()
    """What a person should know about the reading."""


@dataclass(frozen=True, slots=True)
class Source:
    """Everything a kind of data hands over. Parts that are missing are carved from train."""

    parts: dict[Role, Part]
    max_bad_share: float = 0.0


def check_row(file: str, row_id: str, record: Record, *, labelled: bool = True) -> Row | Reject:
    """Take a (text, label) or (text, label, group) record or say why not; one without its label where not `labelled`."""
    text, label, *groups = record.values if labelled else (record.values[0], None, *record.values[1:])
    reason = text_fault(text) or (_label_fault(label) if labelled else "")
    if not reason and groups and (groups[0] is None or not str(groups[0]).strip()):
        reason = say("no group")
    if reason:
        return Reject(file, record.line, reason, excerpt(text))
    return Row(row_id, record.line, str(text), _label_value(label) if labelled else "", excerpt(groups[0]) if groups else "")


def text_fault(text: object) -> str:
    """Return why this cannot be a document, or nothing."""
    if text is None:
        return say("no text")
    if not isinstance(text, str):
        return say("the text is of type {type}, want a string", type=type(text).__name__)
    if not text or text.isspace():
        return say("empty text")
    if len(text) > MAX_CHARACTERS:
        return say("{n:,} characters, more than {most:,}", n=len(text), most=MAX_CHARACTERS)
    return _character_fault(text)


def label_name(label: str | float, *, whole: bool) -> str:
    """Spell a label: floats as whole numbers if all of them are (`whole`)."""
    return label if isinstance(label, str) else str(int(label)) if whole else repr(label)


def other_characters(text: str) -> int:
    """Count the characters of alphabets other than the Latin one: Greek, Cyrillic, Arabic, Indian ones, Thai, Chinese and so on."""
    return 0 if text.isascii() else len(_NOT_LATIN.findall(text))


def cjk_characters(text: str) -> int:
    """Count Chinese, Japanese and Korean characters."""
    return 0 if text.isascii() else len(text) - len(_CJK.sub("", text))


def excerpt(value: object) -> str:
    """Shorten what was found to one printable line of at most 120 characters."""
    try:
        line = " ".join(str(value)[:400].split())[:120]
    except RecursionError:
        line = type(value).__name__
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def named_columns(section: FilesData | HubData) -> dict[str, str]:
    """Return the columns that a section names, by its key: text, label, and group where there are groups."""
    named = {"text": section.text, "label": section.label, "group": section.group}
    return {key: column for key, column in named.items() if column}


def missing_column(place: str | Path, column: str, columns: Sequence[str], step: str) -> DataFault:
    """Say which columns there are instead.

    Args:
        place: the file, or the data set.
        column: what was asked for.
        columns: what the file has.
        step: how to name another one.
    """
    close = difflib.get_close_matches(column.casefold(), [name.casefold() for name in columns], n=1)
    meant = next((name for name in columns if close and name.casefold() == close[0]), None)
    found = ", ".join(excerpt(name) for name in columns[:40])
    message = say("{place}: no column '{column}'. Columns: {found}.", place=place, column=column, found=found)
    return DataFault(message + (" " + say("Did you mean '{name}'?", name=meant) if meant else ""), step=step)


def _label_fault(label: object) -> str:
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return say("no label")
    if not isinstance(label, str | int | float) or (isinstance(label, float) and math.isinf(label)):
        return say("the label is {label}, want a string or a number", label=excerpt(label))
    if isinstance(label, str):
        return _character_fault(label) if label.strip() else say("no label")
    return ""


def _character_fault(text: str) -> str:
    if "\0" in text:
        return say("a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        return say("half of a surrogate pair")
    return ""


def _label_value(label: object) -> str | float:
    if isinstance(label, bool):
        return "true" if label else "false"
    return label if isinstance(label, float) else str(label).strip()
