"""How often two models disagree, watched without end: bounds that hold at all times at once, so that they may be read again and again.

A bound that is computed anew after every example and read until it pleases loses its level; these do not. Of two statements each has its
own bound: that the models agree (a certificate), and that they do not any more (an alarm).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import betaln

_PRIOR = (0.5, 0.5)
"""Of the mixture: Jeffreys' prior, chosen before any data; it decides where the bounds are narrow, not whether they hold."""
_STEPS = 60
"""Halvings of an interval until a bound is found."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be said of the share of texts on which two models disagree. Fractions."""

    n: int
    """Texts that both were asked."""
    changed: int
    lower: float
    """With the stated confidence the share is above it, at all times at once."""
    upper: float
    """The same from above."""


def disagreement_bounds(n: int, changed: int, *, confidence: float = 0.95) -> Bounds:
    """Return a confidence sequence's bounds after n texts.

    Both bounds hold at once, for all n at once, with the given confidence, if texts come from the same distribution, whatever it is.

    Args:
        n: texts that both models were asked.
        changed: of them answered differently.
        confidence: over all times. Fraction.

    Source: Robbins 1970, The Annals of Mathematical Statistics 41(5); Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv 1810.08240, section
    3.2: the beta-binomial mixture is a martingale under the true share, so Ville's inequality bounds it for all times.
    """
    if not n:
        return Bounds(0, 0, 0.0, 1.0)
    rate, limit = changed / n, -math.log1p(-confidence)

    def is_refuted(share: float) -> bool:
        return _log_mixture(n, changed, share) >= limit

    lower = _edge(0.0, rate, is_refuted) if changed else 0.0
    upper = _edge(1.0, rate, is_refuted) if changed < n else 1.0
    return Bounds(n, changed, lower, upper)


def _edge(refuted: float, kept: float, is_refuted: Callable[[float], bool]) -> float:
    """Return the edge between what the data refute and what they do not, on the refuted side."""
    for _ in range(_STEPS):
        middle = (refuted + kept) / 2
        refuted, kept = (middle, kept) if is_refuted(middle) else (refuted, middle)
    return refuted


def _log_mixture(n: int, changed: int, share: float) -> float:
    """Return the logarithm of the mixture's likelihood over that of one share."""
    first, second = _PRIOR
    evidence = float(betaln(first + changed, second + n - changed) - betaln(first, second))
    return evidence - (changed * math.log(share) if changed else 0.0) - ((n - changed) * math.log1p(-share) if changed < n else 0.0)
