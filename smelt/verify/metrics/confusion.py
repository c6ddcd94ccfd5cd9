"""Metrics that need only the table of true against predicted classes: accuracy, precision, recall, F1.

Shape letters: B examples, C classes. A table has true classes as rows and predicted ones as columns; leading axes, written
`...`, hold many tables at once, as the bootstrap makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import float64, int64, integer
    from numpy.typing import NDArray

_WEIGHTED = "weighted avg"


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One row of a classification report. Shares are fractions; a share of nothing is 0."""

    precision: float
    recall: float
    f1: float
    support: int
    """Examples of this class."""


def confusion(labels_B: "NDArray[integer]", predictions_B: "NDArray[integer]", classes: int) -> "NDArray[int64]":
    """Count examples by true and predicted class. Shape (C, C).

    Raises:
        ValueError: a class number is not in [0, C), or the arrays differ in length.
    """
    if labels_B.shape != predictions_B.shape:
        raise ValueError(f"{labels_B.shape} labels, {predictions_B.shape} predictions")
    for numbers_B in (labels_B, predictions_B):
        if numbers_B.size and not 0 <= numbers_B.min() <= numbers_B.max() < classes:
            raise ValueError(f"class numbers are not all in [0, {classes})")
    pairs_B = labels_B.astype(np.int64) * classes + predictions_B
    return np.bincount(pairs_B, minlength=classes * classes).reshape(classes, classes)


def accuracy(table: "NDArray[int64]") -> "NDArray[float64]":
    """Return the share on the diagonal. Shape (...) for tables (..., C, C)."""
    return _share(np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1)))


def macro_f1(table: "NDArray[int64]") -> "NDArray[float64]":
    """Return the unweighted mean of F1 over the classes that occur as label or prediction. Shape (...) for tables (..., C, C)."""
    occurring = table.sum(axis=-1) + table.sum(axis=-2)
    f1 = _share(2 * np.diagonal(table, axis1=-2, axis2=-1), occurring)
    return _share(f1.sum(axis=-1), (occurring > 0).sum(axis=-1))


def class_scores(table: "NDArray[int64]") -> list[ClassScores]:
    """Return precision, recall, F1 and support of each class, in the table's order."""
    right, support, predicted = np.diagonal(table), table.sum(axis=1), table.sum(axis=0)
    columns = (_share(right, predicted), _share(right, support), _share(2 * right, support + predicted), support)
    return [ClassScores(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def classification_report(table: "NDArray[int64]", names: Sequence[str]) -> str:
    """Return the table that scikit-learn's `classification_report` prints with four digits, for the classes that occur.

    Args:
        table: of true against predicted classes, shape (C, C).
        names: of the classes.
    """
    occurring = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1)).tolist()
    scores, n = class_scores(table), int(table.sum())
    width = max([len(_WEIGHTED), *(len(names[place]) for place in occurring)])
    rows = [(names[place], scores[place]) for place in occurring]
    head = f"{'':>{width}}  {'precision':>9} {'recall':>9} {'f1-score':>9} {'support':>9}"
    share = float(accuracy(table))
    lines = [head, "", *(_report_line(name, row, width) for name, row in rows), ""]
    lines.append(f"{'accuracy':>{width}}  {'':>9} {'':>9} {share:>9.4f} {n:>9}")
    chosen = [row for _, row in rows]
    lines.append(_report_line("macro avg", _average(chosen, [1] * len(chosen), n), width))
    lines.append(_report_line(_WEIGHTED, _average(chosen, [row.support for row in chosen], n), width))
    return "\n".join(lines) + "\n"


def _report_line(name: str, row: ClassScores, width: int) -> str:
    return f"{name:>{width}}  {row.precision:>9.4f} {row.recall:>9.4f} {row.f1:>9.4f} {row.support:>9}"


def _average(rows: Sequence[ClassScores], weights: Sequence[int], support: int) -> ClassScores:
    total = max(1, sum(weights))
    precision, recall, f1 = (
        sum(weight * value for weight, value in zip(weights, column, strict=True)) / total
        for column in zip(*((row.precision, row.recall, row.f1) for row in rows), strict=True)
    )
    return ClassScores(precision, recall, f1, support)


def _share(part: "NDArray", whole: "NDArray") -> "NDArray[float64]":
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
