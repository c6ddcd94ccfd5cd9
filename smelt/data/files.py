"""Rows from one file, or from a folder with one file per split."""

import difflib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from smelt.data.formats import format_of, open_table
from smelt.data.rows import Flaw, Part, Reject, Role, Row, Source, Table, check_row, excerpt, missing_column, named_columns
from smelt.data.splits import named_splits
from smelt.errors import DataFault
from smelt.language import say
from smelt.recipe.data import FilesData

DEV_NAMES = ("dev", "validation", "valid", "val")
"""Names that people give to the split that chooses."""


def open_files(section: FilesData) -> Source:
    """Open the file of every split that the section names.

    Raises:
        DataFault: a file or a column is missing, or two files claim one split.
    """
    path = Path(section.path)
    names = named_splits(section.splits)
    if path.is_dir():
        files = {role: find_split(split_files(path), name, path) for role, name in names.items()}
    else:
        files: dict[Role, Path] = {"train": _single(path, names)}
    _refuse_shared(files)
    parts: dict[Role, Part] = {role: _part(file, section) for role, file in files.items()}
    return Source(parts, section.max_bad_share)


def split_files(folder: Path) -> dict[str, Path]:
    """Return the tables of a folder by the name before their ending, sorted.

    Raises:
        DataFault: two files have the same name but for their ending, or there is no table.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or format_of(path) is None or not path.is_file():
            continue
        if path.stem in found:
            raise DataFault(
                say("{folder}: '{first}' and '{second}' are the same split", folder=folder, first=found[path.stem].name, second=path.name),
                step=say("Keep one of them."),
            )
        found[path.stem] = path
    if not found:
        raise DataFault(
            say("{folder}: no csv, tsv, jsonl or parquet file in this folder", folder=folder),
            step=say("Put one file per split into it, such as train.csv and test.csv."),
        )
    return found


def find_split(files: dict[str, Path], name: str, folder: Path) -> Path:
    """Return the file of a split. `dev`, `validation`, `valid` and `val` stand for each other.

    Raises:
        DataFault: there is none, or several.
    """
    if name in files:
        return files[name]
    others = [files[other] for other in DEV_NAMES if other in files] if name in DEV_NAMES else []
    if len(others) == 1:
        return others[0]
    found = ", ".join(path.name for path in files.values())
    raise DataFault(
        say("{folder}: no file of the split '{name}'. Files: {found}.", folder=folder, name=name, found=found),
        step=say("Name one of them under data.splits, without its ending, or give a share of train."),
    )


def _single(path: Path, names: dict[Role, str]) -> Path:
    if not path.exists():
        _refuse_missing(path)
    for role, name in names.items():
        if role != "train" or name not in ("train", path.stem):
            raise DataFault(
                say("data.splits.{role}: '{name}' names a split, but {path} is a single file", role=role, name=name, path=path),
                step=say("Give shares, such as dev: 0.1 and confirm: 0.2, or a folder with one file per split."),
            )
    return path


def _refuse_missing(path: Path) -> None:
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    step = say("Did you mean '{name}'?", name=path.with_name(close[0])) if close else say("Paths are relative to the recipe's folder.")
    raise DataFault(say("{path}: no such file or folder", path=path), step=step)


def _refuse_shared(files: dict[Role, Path]) -> None:
    """Two names may mean one file: `dev` and `val` do, where only one of them exists."""
    roles: dict[Path, Role] = {}
    for role, path in files.items():
        first = roles.setdefault(path, role)
        if first != role:
            raise DataFault(
                say("{path}: named for {first} and for {second}", path=path, first=first, second=role),
                step=say("What certifies must not teach or choose: give each split its own rows."),
            )


def _part(path: Path, section: FilesData) -> Part:
    table = open_table(path, section.encoding)
    for key, column in named_columns(section).items():
        if column not in table.columns:
            raise missing_column(path, column, table.columns, say("Name the column in data.{key}.", key=key))
    gb = table.encoding == "gb18030" and section.encoding == "auto"
    notes = (say("{file}: read as GB18030, since it is not UTF-8", file=path.name),) if gb else ()
    return Part(str(path), partial(_rows, table, tuple(named_columns(section).values()), labelled=bool(section.label)), notes)


def _rows(table: Table, columns: Sequence[str], *, labelled: bool) -> Iterator[Row | Reject]:
    for number, record in enumerate(table.records(columns), 1):
        if isinstance(record, Flaw):
            yield Reject(str(table.path), record.line, record.reason, excerpt(record.excerpt))
        else:
            yield check_row(str(table.path), f"{table.path.stem}-{number}", record, labelled=labelled)
