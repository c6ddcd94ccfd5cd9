"""How far two models differ in any metric of a confusion table, such as macro-F1. An estimate beside the certificate, not one itself.

Shape letters: B examples, K distinct cells (label, reference's answer, candidate's answer), C classes, R resamples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from numpy import float64, int32, int64
    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 4_000_000

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric's drop, reference minus candidate, with its two-sided interval."""

    drop: float
    lower: float
    upper: float


def joint_cells(labels_B: "NDArray[int32]", reference_B: "NDArray[int32]", candidate_B: "NDArray[int32]", classes: int) -> Cells:
    """Count the examples by label and both answers, all of them class numbers in [0, C).

    Raises:
        ValueError: no examples, or a class number outside [0, C), such as an unknown label.
    """
    numbers = np.stack([labels_B, reference_B, candidate_B]).astype(np.int64)
    if not numbers.size or numbers.min() < 0 or numbers.max() >= classes:
        raise ValueError(f"want examples with class numbers in [0, {classes})")
    codes_K, counts_K = np.unique((numbers[0] * classes + numbers[1]) * classes + numbers[2], return_counts=True)
    label_K, reference_K, candidate_K = codes_K // classes**2, codes_K // classes % classes, codes_K % classes
    return Cells(counts_K, _one_hot(label_K * classes + reference_K, classes), _one_hot(label_K * classes + candidate_K, classes), classes)


def drop_interval(cells: Cells, metric: Metric, *, confidence: float, rng: np.random.Generator, resamples: int = 10_000) -> Estimate:
    """Estimate how much a metric drops from reference to candidate, by the paired BCa bootstrap.

    Resampling examples with replacement is one multinomial draw over the cells.

    Args:
        cells: from `joint_cells`.
        metric: for example `macro_f1`.
        confidence: two-sided, fraction.
        rng: seeded by the caller.
        resamples: more of them steady the ends.

    Source: Efron 1987, "Better bootstrap confidence intervals".
    """
    seen = float(_drops(cells, cells.counts_K[None], metric)[0])
    shares_K = cells.counts_K / cells.counts_K.sum()
    n = int(cells.counts_K.sum())
    drawn = (_drops(cells, rng.multinomial(n, shares_K, size=size), metric) for size in _chunks(resamples, cells))
    drops_R = np.concatenate(list(drawn))
    below = ((drops_R < seen).mean() + (drops_R <= seen).mean()) / 2  # ties count half
    if below in (0.0, 1.0):
        return Estimate(drop=seen, lower=min(seen, float(drops_R.min())), upper=max(seen, float(drops_R.max())))
    bias, acceleration = float(ndtri(below)), _acceleration(cells, metric)
    tails = bias + np.array([ndtri((1 - confidence) / 2), ndtri((1 + confidence) / 2)])
    lower, upper = np.quantile(drops_R, ndtr(bias + tails / (1 - acceleration * tails)))
    return Estimate(drop=seen, lower=float(lower), upper=float(upper))


def _one_hot(entries_K: "NDArray[int64]", classes: int) -> csr_array:
    ones, rows = np.ones(len(entries_K), dtype=np.int64), np.arange(len(entries_K))
    return csr_array((ones, (rows, entries_K)), shape=(len(entries_K), classes * classes))


def _drops(cells: Cells, counts_RK: "NDArray[int64]", metric: Metric) -> "NDArray[float64]":
    shape = (-1, cells.classes, cells.classes)
    reference, candidate = ((counts_RK @ table_KT).reshape(shape) for table_KT in (cells.reference_KT, cells.candidate_KT))
    return metric(reference) - metric(candidate)


def _chunks(rows: int, cells: Cells) -> Iterator[int]:
    """Split the rows so that their tables fit into memory."""
    most = max(1, _NUMBERS_AT_ONCE // (len(cells.counts_K) + cells.classes**2))
    yield from (min(most, rows - start) for start in range(0, rows, most))


def _acceleration(cells: Cells, metric: Metric) -> float:
    """Return the skewness of the jackknife over six: leaving out one example is the same for all of its cell."""
    kinds, start, left_out = len(cells.counts_K), 0, []
    for size in _chunks(kinds, cells):
        counts_RK = np.repeat(cells.counts_K[None], size, axis=0)
        counts_RK[np.arange(size), np.arange(start, start + size)] -= 1
        left_out.append(_drops(cells, counts_RK, metric))
        start += size
    drops_K = np.concatenate(left_out)
    pull_K = np.average(drops_K, weights=cells.counts_K) - drops_K
    squares = float((cells.counts_K * pull_K**2).sum())
    return float((cells.counts_K * pull_K**3).sum()) / (6 * squares**1.5) if squares else 0.0
