"""Tango's score test for the drop in accuracy of a candidate on the reference's own examples. Counts in, probabilities out.

*lost* counts the examples only the reference got right, *won* those only the candidate got right, both of n. The *drop* is
P(lost) - P(won), a fraction; (lost - won) / n is its estimate. Source: Tango 1998, Statistics in Medicine 17:891-908.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray


def scores(lost: "ArrayLike", won: "ArrayLike", n: "ArrayLike", drop: float) -> "NDArray[float64]":
    """Return the distance of counts from a true drop, in standard deviations under that drop. Elementwise.

    Args:
        lost: counts.
        won: counts, lost + won <= n.
        n: examples.
        drop: the drop under the null hypothesis. Fraction in [-1, 1]; at 0 this is McNemar's test.
    """
    lost, won, n = (np.asarray(counts, dtype=np.float64) for counts in (lost, won, n))
    distance = lost - won - n * drop
    deviation = np.sqrt(n * (2 * won_share(lost, won, n, drop) + drop * (1 - drop)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / deviation)


def won_share(lost: "ArrayLike", won: "ArrayLike", n: "ArrayLike", drop: float) -> "NDArray[float64]":
    """Return the maximum-likelihood estimate of P(won), given that P(lost) - P(won) is `drop`. Elementwise."""
    lost, won, n = (np.asarray(counts, dtype=np.float64) for counts in (lost, won, n))
    linear = (2 * n - lost + won) * drop - lost - won
    root = np.sqrt(np.maximum(linear * linear + 8 * n * won * drop * (1 - drop), 0.0))
    return (root - linear) / (4 * n)


def p_values(lost: "ArrayLike", won: "ArrayLike", n: "ArrayLike", margin: float) -> "NDArray[float64]":
    """Return one-sided p-values of "the true drop is at least the margin". Elementwise; counts are trusted."""
    return ndtr(scores(lost, won, n, margin))


def p_value(lost: int, won: int, n: int, margin: float) -> float:
    """Return the one-sided p-value of "the true drop is at least the margin". A small one certifies.

    Args:
        lost: examples only the reference got right. Count.
        won: examples only the candidate got right. Count.
        n: all examples.
        margin: fraction in [0, 1), not points.

    Raises:
        ValueError: the counts or the margin cannot be.
    """
    _refuse_impossible(lost, won, n)
    if not 0 <= margin < 1:
        raise ValueError(f"margin {margin} is not a fraction in [0, 1)")
    return float(p_values(lost, won, n, margin))


def upper_bound(lost: int, won: int, n: int, confidence: float) -> float:
    """Return the one-sided upper bound of the drop: the margins above it are exactly those that certify.

    Args:
        lost: examples only the reference got right. Count.
        won: examples only the candidate got right. Count.
        n: all examples.
        confidence: one-sided, a fraction in [0.5, 1).

    Returns:
        Fraction in [-1, 1].

    Raises:
        ValueError: the counts or the confidence cannot be.
    """
    _refuse_impossible(lost, won, n)
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence {confidence} is not a fraction in [0.5, 1)")
    seen = (lost - won) / n
    if confidence == 0.5 or lost == n:
        return seen
    want = float(ndtri(1 - confidence))
    return root_scalar(lambda drop: float(scores(lost, won, n, drop)) - want, bracket=(seen, 1.0 - 1e-12), xtol=1e-14).root


def interval(lost: int, won: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the two-sided confidence interval of the drop; confidence is two-sided here, a fraction in [0, 1)."""
    one_sided = (1 + confidence) / 2
    return -upper_bound(won, lost, n, one_sided), upper_bound(lost, won, n, one_sided)


def _refuse_impossible(lost: int, won: int, n: int) -> None:
    if n < 1 or lost < 0 or won < 0 or lost + won > n:
        raise ValueError(f"{lost} lost and {won} won of {n} examples cannot be")
