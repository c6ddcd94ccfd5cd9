"""What agreement alone certifies, without labels: a candidate loses an answer only where it differs from the reference.

P(only the reference right) <= P(answers differ), so a bound of the second is one of the drop. Exact binomial throughout.
"""

import math

from scipy.special import bdtr, betaincinv, ndtri
from scipy.stats import binom


def p_value(changed: int, n: int, margin: float) -> float:
    """Return P(at most `changed` of n answers differ) if a share `margin` of all answers differed. Exact, one-sided.

    Args:
        changed: examples answered differently. Count.
        n: all examples.
        margin: fraction in (0, 1).

    Raises:
        ValueError: the counts cannot be.
    """
    _refuse_impossible(changed, n)
    return float(bdtr(changed, n, margin))


def upper_bound(changed: int, n: int, confidence: float) -> float:
    """Return the one-sided upper bound of the share of changed answers. Fraction.

    Args:
        changed: examples answered differently. Count.
        n: all examples.
        confidence: one-sided, a fraction in (0, 1).

    Raises:
        ValueError: the counts cannot be.

    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    _refuse_impossible(changed, n)
    return 1.0 if changed == n else float(betaincinv(changed + 1, n - changed, confidence))


def most_changed(n: int, margin: float, confidence: float) -> int | None:
    """Return how many of n answers may differ at most for a certificate; None where even 0 are too many."""
    if bdtr(0, n, margin) > 1 - confidence:
        return None
    low, high = 0, n  # low certifies, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bdtr(middle, n, margin) <= 1 - confidence else (low, middle)
    return low


def sample_size(margin: float, disagreement: float, confidence: float, power: float = 0.8) -> int | None:
    """Return the examples needed to certify by agreement with this power; None where disagreement is not below the margin.

    Args:
        margin: fraction in (0, 1).
        disagreement: the true share of changed answers. Fraction.
        confidence: one-sided, fraction.
        power: probability of a certificate. Fraction.

    The binomial steps, so the normal approximation is only where the search for an n with this exact power starts.
    """
    if disagreement >= margin:
        return None
    wide = float(ndtri(confidence)) * math.sqrt(margin * (1 - margin)) + float(ndtri(power)) * math.sqrt(disagreement * (1 - disagreement))
    n = math.ceil(max((wide / (margin - disagreement)) ** 2, math.log(1 - confidence) / math.log1p(-margin)))
    while (most := most_changed(n, margin, confidence)) is None or bdtr(most, n, disagreement) < power:
        n = math.ceil(1.02 * n)
    return n


def certifiable_margin(n: int, *, disagreement: float, confidence: float, power: float = 0.8) -> float:
    """Return the smallest margin that n examples certify by agreement with this power. Fraction.

    Args:
        n: examples to come.
        disagreement: the true share of changed answers. Fraction.
        confidence: one-sided, fraction.
        power: probability of a certificate. Fraction.
    """
    return upper_bound(int(binom.ppf(power, n, disagreement)), n, confidence)


def _refuse_impossible(changed: int, n: int) -> None:
    if n < 1 or not 0 <= changed <= n:
        raise ValueError(f"{changed} changed of {n} examples cannot be")
