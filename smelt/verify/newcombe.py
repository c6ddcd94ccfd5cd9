"""Newcombe's interval for the drop in accuracy, in closed form: the second opinion beside Tango's test."""

import math

from scipy.special import ndtri

from smelt.verify.wilson import wilson


def interval(both: int, lost: int, won: int, neither: int, confidence: float) -> tuple[float, float]:
    """Return the two-sided confidence interval of P(lost) - P(won), method 10: hybrid score, corrected for continuity in phi.

    Args:
        both: examples that both models got right. Count.
        lost: examples only the reference got right. Count.
        won: examples only the candidate got right. Count.
        neither: examples that no model got right. Count.
        confidence: two-sided, a fraction in [0, 1). 0.90 gives the one-sided bounds at 95 %.

    Returns:
        Lower and upper end, fractions in [-1, 1].

    Raises:
        ValueError: no examples.

    Source: Newcombe 1998, Statistics in Medicine 17:2635-2650, method 10.
    """
    n = both + lost + won + neither
    if n < 1:
        raise ValueError("an interval needs at least one example")
    z = float(ndtri((1 + confidence) / 2))
    reference, candidate = (both + lost) / n, (both + won) / n
    reference_low, reference_high = wilson(reference, n, z)
    candidate_low, candidate_high = wilson(candidate, n, z)
    phi = _phi(both, lost, won, neither)
    up = _length(reference_high - reference, candidate - candidate_low, phi)
    down = _length(reference - reference_low, candidate_high - candidate, phi)
    return reference - candidate - down, reference - candidate + up


def _phi(both: int, lost: int, won: int, neither: int) -> float:
    n = both + lost + won + neither
    margins = math.sqrt((both + lost) * (won + neither)) * math.sqrt((both + won) * (lost + neither))
    cross = both * neither - lost * won
    if 0 <= cross <= n / 2:
        cross = 0
    elif cross > n / 2:
        cross -= n / 2
    return cross / margins if margins else 0.0


def _length(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(one * one - 2 * phi * one * other + other * other, 0.0))
