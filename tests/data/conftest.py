"""Rows of all kinds, and faults in English whatever the machine speaks."""

import csv
import json

import pytest

from smelt.data.build import prepare
from smelt.recipe.data import FilesData, Splits
from smelt.run.disk import Disk


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")


@pytest.fixture
def write_csv():
    """Writes (text, label) rows, or any others under the given header."""

    def write(path, rows, header=("text", "label"), **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, **options).writerows([header, *rows])
        return path

    return write


@pytest.fixture
def write_jsonl():
    """Writes one JSON object per line."""

    def write(path, values):
        path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
        return path

    return write


@pytest.fixture
def prepare_files(tmp_path):
    """Prepares a file or folder with small shares and no patience for bad rows."""

    def run(path, splits=None, **fields):
        section = FilesData(path=str(path), splits=splits or Splits(dev=0.2, confirm=0.3), **fields)
        return prepare(section, tmp_path / "run" / "data", tmp_path / "run" / ".work", Disk())

    return run


def numbered(count, labels=("a", "b"), word="text"):
    """Rows with unlike texts and labels in turn."""
    return [(f"{word} {number}", labels[number % len(labels)]) for number in range(count)]


@pytest.fixture
def rows_of():
    return numbered
