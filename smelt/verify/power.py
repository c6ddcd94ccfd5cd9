"""How likely a certificate is, and how many examples it needs. Plan with it before anything is trained or opened.

*drop* is P(only the reference right) - P(only the candidate right), *disagreement* their sum; both are fractions of all examples.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtri

from smelt.verify import tango

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_TABLED = 100_000
_CURSE = 0.5
"""Standard errors that a drop seen on dev is taken to be worse."""
_SIGMAS = 9.0  # counts further than this from their mean are left out: together less likely than 1e-12


def certificate_probability(n: int, *, margin: float, confidence: float, drop: float, disagreement: float) -> float:
    """Return the exact probability that n examples give a certificate; at drop = margin, the error of the first kind.

    Sums over the number of discordant pairs (binomial) and, given it, over the lost ones (binomial again).

    Args:
        n: examples to come.
        margin: fraction in (0, 1).
        confidence: one-sided, fraction.
        drop: the true drop, in [-disagreement, disagreement].
        disagreement: the true share of discordant pairs, in [0, 1].
    """
    if not disagreement:
        return float(tango.p_value(0, 0, n, margin) <= 1 - confidence)
    middle, spread = n * disagreement, math.sqrt(n * disagreement * (1 - disagreement))
    low, high = middle - _SIGMAS * spread - _SIGMAS, middle + _SIGMAS * spread + _SIGMAS
    discordant = np.arange(max(0, math.floor(low)), min(n, math.ceil(high)) + 1)
    most = _table(n, margin, confidence)[discordant] if n <= _TABLED else most_lost(discordant, n, margin, confidence)
    lost_share = min(1.0, (disagreement + drop) / (2 * disagreement))
    passing = np.where(most < 0, 0.0, bdtr(np.maximum(most, 0).astype(float), discordant, lost_share))
    shares = np.diff(bdtr(discordant.astype(float), n, disagreement), prepend=0.0)
    return float(np.clip((shares * passing).sum(), 0.0, 1.0))


@lru_cache(maxsize=64)
def _table(n: int, margin: float, confidence: float) -> "NDArray[int64]":
    """Return `most_lost` of every number of discordant pairs from 0 to n: planning asks for the same n again and again."""
    return most_lost(np.arange(n + 1), n, margin, confidence)


def most_lost(discordant: "NDArray[int64]", n: int, margin: float, confidence: float) -> "NDArray[int64]":
    """Return, per number of discordant pairs, how many of them may be lost at most for a certificate; -1: not even none.

    Tango's p-value rises with the lost pairs while their sum with the won ones stays, so a bisection finds the border.
    """
    low, high = np.full_like(discordant, -1), discordant + 1  # low certifies or is -1, high does not
    while np.any(high - low > 1):
        middle = np.clip((low + high) // 2, 0, discordant)
        passes = tango.p_values(middle, discordant - middle, n, margin) <= 1 - confidence
        low, high = np.where(passes, middle, low), np.where(passes, high, middle)
    return low


def sample_size(*, margin: float, confidence: float, drop: float, disagreement: float, power: float = 0.8) -> int | None:
    """Return the examples needed for a certificate with this power; None where the drop is not below the margin.

    All arguments are fractions; `drop` and `disagreement` are the true ones.

    Source: n = (z_confidence + z_power)^2 (disagreement - drop^2) / (margin - drop)^2, the normal approximation, and at least
    z_confidence^2 (1 - margin) / margin, which Tango's test needs even where the two models never differ.
    """
    if drop >= margin:
        return None
    z = float(ndtri(confidence))
    wanted = (z + float(ndtri(power))) ** 2 * (disagreement - drop * drop) / (margin - drop) ** 2
    return math.ceil(max(wanted, z * z * (1 - margin) / margin))


def certifiable_margin(n: int, *, disagreement: float, confidence: float, power: float = 0.8) -> float:
    """Return the smallest margin that n examples certify with this power if the candidate loses nothing. Fraction."""
    z = float(ndtri(confidence))
    return max((z + float(ndtri(power))) * math.sqrt(disagreement / n), z * z / (n + z * z))


def more_needed(lost: int, won: int, n: int, *, margin: float, confidence: float) -> int | None:
    """Return how many further labeled examples would decide a failed test at 80 % power, if drop and disagreement stay as seen.

    None where the drop seen is not below the margin: more examples would not help then.
    """
    wanted = sample_size(margin=margin, confidence=confidence, drop=(lost - won) / n, disagreement=(lost + won) / n)
    return None if wanted is None else max(wanted - n, 1)


def predicted_pass(lost: int, won: int, n_dev: int, *, n_confirm: int, margin: float, confidence: float) -> float:
    """Return the probability of a certificate on confirm, from counts on dev.

    The true drop is not the one seen: the probability is averaged over a normal distribution, as wide as the standard error of what
    was seen (Spiegelhalter, Freedman and Blackburn 1986 call this predictive power) and half of one worse, since candidates are looked
    at because they did well. Half a pair is added to each count, so that few dev examples without a difference do not pass for certainty.
    """
    lost_share, won_share = (lost + 0.5) / (n_dev + 1), (won + 0.5) / (n_dev + 1)
    seen, disagreement = lost_share - won_share, lost_share + won_share
    error = math.sqrt((disagreement - seen * seen) / n_dev)
    drops = np.clip(seen + error * (_CURSE + _NODES), -disagreement, disagreement)
    chances = [
        certificate_probability(n_confirm, margin=margin, confidence=confidence, drop=drop, disagreement=min(disagreement, 1.0))
        for drop in drops.tolist()
    ]
    return float(np.average(chances, weights=_WEIGHTS))
