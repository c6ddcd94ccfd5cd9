"""What failures cost: how often to save, and how much of the time is work.

Source: Young 1974, doi:10.1145/361147.361115; Daly 2006, doi:10.1016/j.future.2004.11.016, equations 20 and 37.
"""

from dataclasses import dataclass
from math import exp, expm1, sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Of one run. Seconds, but for `goodput`, the share of the time that is work which lasts."""

    between: float
    """Mean time between two failures anywhere."""
    save: float
    """Time to write a checkpoint."""
    interval: float
    """Time of work between two checkpoints."""
    expected: float
    """The whole run, with saving, lost work and starting again; infinite where nothing is ever finished."""
    goodput: float


def failures(seconds: float, *, count: int, hours_between: float, save: float, restart: float = 600.0) -> Failures:
    """Return what a run of `seconds` of work takes with failures.

    Args:
        seconds: of work without any failure.
        count: accelerators; one that fails stops all.
        hours_between: mean hours between failures of one accelerator.
        save: seconds to write a checkpoint, during which no work is done.
        restart: seconds from a failure until work goes on.

    Returns:
        Daly's optimal interval (higher order) and expected time; `goodput` is `seconds` over that time.
    """
    between = hours_between * 3600.0 / count
    interval = min(_interval(between, save), max(seconds, 1.0))
    grow = (interval + save) / between
    if grow > 50 or restart / between > 50:
        return Failures(between=between, save=save, interval=interval, expected=float("inf"), goodput=0.0)
    rounds = seconds / interval
    expected = between * exp(restart / between) * expm1(grow) * rounds
    return Failures(between=between, save=save, interval=interval, expected=expected, goodput=seconds / expected if expected else 1.0)


def _interval(between: float, save: float) -> float:
    if save >= 2.0 * between:
        return between
    ratio = sqrt(save / (2.0 * between))
    return max(1.0, sqrt(2.0 * save * between) * (1.0 + ratio / 3.0 + ratio**2 / 9.0) - save)
