"""Predictions files: one JSON object per line, `{id, label?, prediction, group?, scores?}`. The border between models and their judge.

Ids, labels and predictions are strings or numbers; 7, 7.0 and "7" are the same name. Other fields are ignored. In memory a row is
its id, kept by Arrow, and two class numbers.

Shape letters: B examples, sorted by id; C classes.
"""

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smelt.errors import DataFault
from smelt.language import say
from smelt.run.disk import Disk, write_file
from smelt.types import Prediction

if TYPE_CHECKING:
    from numpy import float32, int32, int64
    from numpy.typing import NDArray

UNKNOWN = -1
"""Class number of a label that is not there."""
_ROWS_AT_ONCE = 65_536
_LARGEST_SCORE = 3e38


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Predictions:
    """The answers of one model."""

    path: Path
    """Where they were read from, for messages."""
    names: tuple[str, ...]
    """What the class numbers mean, in the order of first use."""
    ids: pa.LargeStringArray
    """Unique, sorted by their UTF-8 bytes. Shape (B,)."""
    labels_B: "NDArray[int32]"
    """True classes; `UNKNOWN` where the file has none."""
    predictions_B: "NDArray[int32]"
    scores_BC: "NDArray[float32] | None"
    """None if they were not asked for or the file has none."""
    groups_B: "NDArray[int32] | None" = None
    """Equal numbers for rows of one group, such as one customer; None where the lines have no `group`."""


def write(path: Path, rows: Iterable[Prediction], disk: Disk) -> None:
    """Replace a predictions file. Scores keep six significant digits.

    Raises:
        EnvironmentFault: the disk is full, read-only or failing.
    """
    write_file(path, b"".join(_line(row) for row in rows), disk)


def read(path: Path, *, scores: bool = False) -> Predictions:
    """Read a predictions file, with its scores if they are asked for.

    Raises:
        DataFault: the file is missing or empty, a line is not as it should be, or an id occurs twice.
    """
    columns = _Columns(path=path, keeps_scores=scores)
    try:
        with path.open("rb") as stream:
            for line, text in enumerate(stream, start=1):
                if text.strip():
                    columns.add(line, text)
    except OSError as error:
        raise _fault(str(path), error.strerror or str(error)) from error
    if not columns.lines:
        raise _fault(str(path), say("no predictions"))
    return columns.sorted_by_id()


def names_sha256(ids: pa.LargeStringArray, numbers_B: "NDArray[int32]", names: tuple[str, ...]) -> str:
    """Return the sha256 of the JSON array `[[id,name],…]`, UTF-8, without spaces; null where the number is `UNKNOWN`."""
    lookup: tuple[str | None, ...] = (*names, None)  # UNKNOWN, -1, finds the None
    digest = hashlib.sha256(b"[")
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        chunk = slice(start, start + _ROWS_AT_ONCE)
        pairs = list(zip(ids[chunk].to_pylist(), (lookup[number] for number in numbers_B[chunk].tolist()), strict=True))
        text = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))[1:-1]
        digest.update((("," if start else "") + text).encode())
    digest.update(b"]")
    return digest.hexdigest()


def predictions_sha256(predictions: Predictions) -> str:
    """Return what identifies a model's answers: `names_sha256` of (id, prediction), sorted by id."""
    return names_sha256(predictions.ids, predictions.predictions_B, predictions.names)


@dataclass(slots=True, kw_only=True)
class _Columns:
    """What was read so far, in the order of the file."""

    path: Path
    keeps_scores: bool
    lines: array = field(default_factory=lambda: array("q"))
    ids: list[pa.Array] = field(default_factory=list)
    last_ids: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    labels: array = field(default_factory=lambda: array("i"))
    predictions: array = field(default_factory=lambda: array("i"))
    scores: array = field(default_factory=lambda: array("f"))
    group_numbers: dict[str, int] = field(default_factory=dict)
    groups: array = field(default_factory=lambda: array("i"))

    def add(self, line: int, text: bytes) -> None:
        place = f"{self.path}:{line}"
        row = _parse(place, text)
        self.last_ids.append(_name(place, row, "id"))
        self.predictions.append(self._number(_name(place, row, "prediction")))
        self.labels.append(UNKNOWN if row.get("label") is None else self._number(_name(place, row, "label")))
        if self.keeps_scores:
            self._add_scores(place, row.get("scores"))
        if row.get("group") is not None:
            self.groups.append(self.group_numbers.setdefault(_name(place, row, "group"), len(self.group_numbers)))
        if self.groups and len(self.groups) != len(self.labels):
            raise _fault(place, say("`group` stands on some lines and not on others"))
        self.lines.append(line)
        if len(self.last_ids) == _ROWS_AT_ONCE:
            self._pack_ids()

    def sorted_by_id(self) -> Predictions:
        self._pack_ids()
        ids = pa.chunked_array(self.ids, type=pa.large_string())
        table = pa.table({"id": ids, "row": np.arange(len(ids))}).sort_by("id").combine_chunks()
        order_B = table["row"].to_numpy()
        ids = table["id"].combine_chunks()
        self._refuse_twins(ids, order_B)
        scores_BC = np.asarray(self.scores, dtype=np.float32).reshape(len(order_B), -1)[order_B] if self.scores else None
        return Predictions(
            path=self.path,
            names=tuple(self.numbers),
            ids=ids,
            labels_B=np.asarray(self.labels, dtype=np.int32)[order_B],
            predictions_B=np.asarray(self.predictions, dtype=np.int32)[order_B],
            scores_BC=scores_BC,
            groups_B=np.asarray(self.groups, dtype=np.int32)[order_B] if self.groups else None,
        )

    def _number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def _add_scores(self, place: str, scores: object) -> None:
        found = scores if isinstance(scores, list) else []
        if not all(type(score) in (int, float) and abs(score) < _LARGEST_SCORE for score in found):
            raise _fault(place, say("`scores` holds what is not a finite number"))
        before = len(self.scores) // len(self.lines) if self.lines else len(found)
        if len(found) != before:
            raise _fault(place, say("{found} scores, where the lines before have {before}", found=len(found), before=before))
        self.scores.extend(found)

    def _pack_ids(self) -> None:
        self.ids.append(pa.array(self.last_ids, type=pa.large_string()))
        self.last_ids.clear()

    def _refuse_twins(self, ids: pa.LargeStringArray, order_B: "NDArray[int64]") -> None:
        equal_to_next = pc.call_function("equal", [ids[1:], ids[:-1]])
        twins = np.flatnonzero(equal_to_next.to_numpy(zero_copy_only=False))
        if len(twins):
            first, second = sorted(self.lines[row] for row in order_B[twins[0] : twins[0] + 2])
            raise _fault(f"{self.path}:{second}", say("id {id!r} stands in line {line} already", id=ids[int(twins[0])].as_py(), line=first))


def _parse(place: str, text: bytes) -> dict[str, object]:
    try:
        row = json.loads(text.removeprefix(b"\xef\xbb\xbf").decode())
    except (ValueError, RecursionError) as error:
        raise _fault(place, say("not a JSON object in UTF-8 ({reason})", reason=error)) from error
    if not isinstance(row, dict):
        raise _fault(place, say("not a JSON object in UTF-8 ({reason})", reason=type(row).__name__))
    return row


def _name(place: str, row: dict[str, object], key: str) -> str:
    if key not in row:
        raise _fault(place, say("`{key}` is missing", key=key))
    name = _as_name(row[key])
    if name is None:
        raise _fault(place, say("`{key}` is {found}, want a string or a number", key=key, found=json.dumps(row[key])[:80]))
    return name


def _as_name(value: object) -> str | None:
    match value:
        case str():
            return value if value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value) else None
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float() if abs(value) < float("inf"):
            return str(value)
    return None


def _line(row: Prediction) -> bytes:
    fields: dict[str, object] = {"id": row.id}
    if row.label is not None:
        fields["label"] = row.label
    fields["prediction"] = row.prediction
    if row.group is not None:
        fields["group"] = row.group
    if row.scores is not None:
        fields["scores"] = [float(f"{score:.6g}") for score in row.scores]
    return (json.dumps(fields, ensure_ascii=False) + "\n").encode()


def _fault(place: str, found: str) -> DataFault:
    return DataFault(
        f"{place}: {found}",
        step=say(
            'A predictions file has one JSON object per line: {{"id": "7", "label": "spam", "prediction": "spam"}}; label is optional.'
        ),
    )
