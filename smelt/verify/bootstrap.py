"""How far two models differ in any metric of a confusion table, such as macro-F1. An estimate beside the certificate, not one itself.

Shape letters: B examples, K distinct cells (label, reference's answer, candidate's answer), C classes, G groups, R resamples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from numpy import float64, int32, int64, integer
    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 4_000_000
_LEAST_GROUPS = 10

Metric = Callable[["NDArray[int64]"], "NDArray[float64]"]
"""Maps confusion tables (..., C, C) to numbers (...), as those in `metrics/confusion.py` do."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All that a paired metric can see of the examples: how many there are of each kind."""

    counts_K: "NDArray[int64]"
    reference_KT: csr_array
    """One-hot: which entry of the reference's flat confusion table (T = C * C) the cell counts in."""
    candidate_KT: csr_array
    classes: int
    groups_GK: csr_array | None = None
    """How many examples of each kind a group has; None where examples are independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric's drop, reference minus candidate, with its two-sided interval."""

    drop: float
    lower: float
    upper: float


def joint_cells(
    labels_B: "NDArray[int32]", reference_B: "NDArray[int32]", candidate_B: "NDArray[int32]", classes: int,
    groups_B: "NDArray[integer] | None" = None,
) -> Cells:  # fmt: skip
    """Count the examples by label and both answers, all of them class numbers in [0, C).

    Args:
        labels_B: true classes.
        reference_B: the reference's answers.
        candidate_B: the candidate's answers.
        classes: C.
        groups_B: which group each example is of, any numbers; None where examples are independent.

    Raises:
        ValueError: no examples, or a class number outside [0, C), such as an unknown label.
    """
    numbers = np.stack([labels_B, reference_B, candidate_B]).astype(np.int64)
    if not numbers.size or numbers.min() < 0 or numbers.max() >= classes:
        raise ValueError(f"want examples with class numbers in [0, {classes})")
    codes_B = (numbers[0] * classes + numbers[1]) * classes + numbers[2]
    codes_K, kinds_B, counts_K = np.unique(codes_B, return_inverse=True, return_counts=True)
    label_K, reference_K, candidate_K = codes_K // classes**2, codes_K // classes % classes, codes_K % classes
    tables = (_one_hot(label_K * classes + reference_K, classes), _one_hot(label_K * classes + candidate_K, classes))
    return Cells(counts_K, *tables, classes, None if groups_B is None else _by_group(groups_B, kinds_B))


def drop_interval(cells: Cells, metric: Metric, *, confidence: float, rng: np.random.Generator, resamples: int = 10_000) -> Estimate:
    """Estimate how much a metric drops from reference to candidate, by the paired BCa bootstrap.

    Resampling examples with replacement is one multinomial draw over the cells. Where they come in groups, whole groups are drawn
    (Davison and Hinkley 1997, section 3.8).

    Args:
        cells: from `joint_cells`.
        metric: for example `macro_f1`.
        confidence: two-sided, fraction.
        rng: seeded by the caller.
        resamples: more of them steady the ends.

    Source: Efron 1987, "Better bootstrap confidence intervals".
    """
    seen = float(_drops(cells, cells.counts_K[None], metric)[0])
    drawn = (_drops(cells, _resampled(cells, rng, size), metric) for size in _chunks(resamples, cells))
    drops_R = np.concatenate(list(drawn))
    below = ((drops_R < seen).mean() + (drops_R <= seen).mean()) / 2  # ties count half
    if below in (0.0, 1.0):
        return Estimate(drop=seen, lower=min(seen, float(drops_R.min())), upper=max(seen, float(drops_R.max())))
    bias, acceleration = float(ndtri(below)), _acceleration(cells, metric)
    tails = bias + np.array([ndtri((1 - confidence) / 2), ndtri((1 + confidence) / 2)])
    lower, upper = np.quantile(drops_R, ndtr(bias + tails / (1 - acceleration * tails)))
    return Estimate(drop=seen, lower=float(lower), upper=float(upper))


def too_few_groups(groups_B: "NDArray[integer] | None") -> bool:
    """Say whether there are groups, and so few that drawing from them says little of others."""
    return groups_B is not None and len(np.unique(groups_B)) < _LEAST_GROUPS


def _one_hot(entries_K: "NDArray[int64]", classes: int) -> csr_array:
    ones, rows = np.ones(len(entries_K), dtype=np.int64), np.arange(len(entries_K))
    return csr_array((ones, (rows, entries_K)), shape=(len(entries_K), classes * classes))


def _drops(cells: Cells, counts_RK: "NDArray[int64]", metric: Metric) -> "NDArray[float64]":
    shape = (-1, cells.classes, cells.classes)
    reference, candidate = ((counts_RK @ table_KT).reshape(shape) for table_KT in (cells.reference_KT, cells.candidate_KT))
    return metric(reference) - metric(candidate)


def _by_group(groups_B: "NDArray[integer]", kinds_B: "NDArray[int64]") -> csr_array:
    """Count the kinds of examples in each group."""
    numbers_B = np.unique(groups_B, return_inverse=True)[1]
    return csr_array((np.ones(len(kinds_B), np.int64), (numbers_B, kinds_B)))


def _resampled(cells: Cells, rng: np.random.Generator, size: int) -> "NDArray[int64]":
    """Draw as many examples, or groups, as there are. Shape (size, K)."""
    if cells.groups_GK is None:
        n = int(cells.counts_K.sum())
        return rng.multinomial(n, cells.counts_K / n, size=size)
    groups = _height(cells.groups_GK)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=size) @ cells.groups_GK


def _height(table: csr_array) -> int:
    return len(table.indptr) - 1


def _chunks(rows: int, cells: Cells) -> Iterator[int]:
    """Split the rows so that their tables fit into memory."""
    groups = 0 if cells.groups_GK is None else _height(cells.groups_GK)
    most = max(1, _NUMBERS_AT_ONCE // (len(cells.counts_K) + cells.classes**2 + groups))
    yield from (min(most, rows - start) for start in range(0, rows, most))


def _acceleration(cells: Cells, metric: Metric) -> float:
    """Return the skewness of the jackknife over six: an example of each cell is left out, which stands for all of its cell, or a group."""
    kinds = np.arange(len(cells.counts_K))
    units_UK = csr_array((np.ones_like(kinds), (kinds, kinds))) if cells.groups_GK is None else cells.groups_GK
    weights_U = cells.counts_K if cells.groups_GK is None else np.ones(_height(units_UK))
    start, left_out = 0, []
    for size in _chunks(len(weights_U), cells):
        left_out.append(_drops(cells, cells.counts_K - units_UK[start : start + size].toarray(), metric))
        start += size
    drops_U = np.concatenate(left_out)
    pull_U = np.average(drops_U, weights=weights_U) - drops_U
    squares = float((weights_U * pull_U**2).sum())
    return float((weights_U * pull_U**3).sum()) / (6 * squares**1.5) if squares else 0.0
