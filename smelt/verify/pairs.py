"""Two models' answers to the same examples, side by side.

Shape letters: B examples, sorted by id.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smelt.errors import DataFault
from smelt.language import say
from smelt.verify.predictions import UNKNOWN, Predictions, names_sha256

if TYPE_CHECKING:
    from numpy import bool_, int32, integer
    from numpy.typing import NDArray

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Paired:
    """The answers of two models in one numbering of classes."""

    names: tuple[str, ...]
    """What the class numbers mean, sorted."""
    ids: pa.LargeStringArray
    labels_B: "NDArray[int32]"
    """True classes; `UNKNOWN` where neither file has one."""
    reference_B: "NDArray[int32]"
    candidate_B: "NDArray[int32]"
    groups_B: "NDArray[int32] | None" = None
    """Which group each example is of, where one of the files says so."""


def align(reference: Predictions, candidate: Predictions) -> Paired:
    """Put two models' answers side by side, by id. A label may stand in either file, or in both if they agree.

    Raises:
        DataFault: the ids or the labels of the two files differ.
    """
    if not reference.ids.equals(candidate.ids):
        raise _ids_differ(reference, candidate)
    names = tuple(sorted({*reference.names, *candidate.names}))
    ours, theirs = _renumbering(reference.names, names), _renumbering(candidate.names, names)
    labels_B, others_B = ours[reference.labels_B], theirs[candidate.labels_B]
    differ_B = (labels_B != others_B) & (labels_B != UNKNOWN) & (others_B != UNKNOWN)
    if differ_B.any():
        raise _labels_differ(reference, candidate, differ_B)
    return Paired(
        names=names,
        ids=reference.ids,
        labels_B=np.where(labels_B == UNKNOWN, others_B, labels_B),
        reference_B=ours[reference.predictions_B],
        candidate_B=theirs[candidate.predictions_B],
        groups_B=reference.groups_B if reference.groups_B is not None else candidate.groups_B,
    )


def lost_and_won(reference_B: "NDArray[integer]", candidate_B: "NDArray[integer]", labels_B: "NDArray[integer]") -> tuple[int, int]:
    """Count the examples that only the reference answers rightly, and those that only the candidate does."""
    right_B, still_right_B = reference_B == labels_B, candidate_B == labels_B
    return int(np.count_nonzero(right_B & ~still_right_B)), int(np.count_nonzero(still_right_B & ~right_B))


def data_sha256(paired: Paired) -> str:
    """Return what identifies a labeled set: the sha256 of the JSON array `[[id,label],…]`, sorted by id, UTF-8, without spaces.

    An unknown label is null there.
    """
    return names_sha256(paired.ids, paired.labels_B, paired.names)


def _renumbering(before: tuple[str, ...], after: tuple[str, ...]) -> "NDArray[int32]":
    """Map class numbers to class numbers. The last entry is for `UNKNOWN`, which is -1."""
    number = {name: index for index, name in enumerate(after)}
    return np.array([*(number[name] for name in before), UNKNOWN], dtype=np.int32)


def _ids_differ(reference: Predictions, candidate: Predictions) -> DataFault:
    ours, theirs = (set(side.ids.to_pylist()) for side in (reference, candidate))
    missing, extra = sorted(ours - theirs), sorted(theirs - ours)
    lines = [say("{reference} and {candidate} do not hold the same ids", reference=reference.path, candidate=candidate.path)]
    for path, absent in ((candidate.path, missing), (reference.path, extra)):
        if absent:
            lines.append(say("  {n} not in {path}: {examples}", n=len(absent), path=path, examples=_shorten(absent)))
    return DataFault("\n".join(lines), step=say("Let both models answer the same examples, then compare again."))


def _labels_differ(reference: Predictions, candidate: Predictions, differ_B: "NDArray[bool_]") -> DataFault:
    rows = np.flatnonzero(differ_B)
    examples = [
        say(
            "id {id!r}: {ours!r} and {theirs!r}",
            id=reference.ids[row].as_py(),
            ours=reference.names[reference.labels_B[row]],
            theirs=candidate.names[candidate.labels_B[row]],
        )
        for row in rows[: _SHOWN + 1].tolist()
    ]
    found = say(
        "{reference} and {candidate} have different labels for {n} examples: {examples}",
        reference=reference.path,
        candidate=candidate.path,
        n=len(rows),
        examples=_shorten(examples, quoted=False),
    )
    return DataFault(found, step=say("A label belongs to the example, not to the model: take both files from the same data."))


def _shorten(examples: list[str], *, quoted: bool = True) -> str:
    shown = [repr(example) if quoted else example for example in examples[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(examples) > _SHOWN else "")
