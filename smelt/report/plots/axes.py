"""Axes: from values to places on a panel, with round ticks."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smelt.markup import Html, join
from smelt.report.plots.svg import line, words


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; beyond the ends it is held there."""
        low, high, value = (
            math.log(number) if self.log else number for number in (self.low, self.high, max(value, 1e-9) if self.log else value)
        )
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values between the ends, at most about so many."""
        if self.log:
            found = (_log_ticks(self.low, self.high, steps) for steps in ((1, 2, 5), (1, 3), (1,)))
            chosen = next((ticks for ticks in found if len(ticks) <= most), [])
            if len(chosen) >= 2:
                return chosen
        step = _round_step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def between(self) -> list[float]:
        """Return the values for small ticks without a number; a linear scale has none."""
        return _log_ticks(self.low, self.high, range(1, 10)) if self.log else []


def linear(values: Iterable[float], start: float, end: float, *, room: float = 0.06) -> Scale:
    """Fit a linear scale around values, with some room at both ends."""
    low, high = _ends(values)
    room = (high - low) * room or max(abs(high) * 0.02, 0.5)
    return Scale(low - room, high + room, start, end)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """Fit a logarithmic scale around positive values, with some room at both ends."""
    low, high = _ends(values)
    room = max((high / low) ** 0.1, 1.2)
    return Scale(low / room, high * room, start, end, log=True)


def frame(x: Scale, y: Scale, titles: tuple[str, str], write_y: Callable[[float], str] = "{:g}".format) -> Html:
    """Draw grid, ticks and titles of two axes. The title of y stands above it, that of x below."""
    left, right, bottom, top = x.start, x.end, y.start, y.end
    parts = []
    for tick in y.ticks():
        parts += [line((left, y(tick)), (right, y(tick)), "grid"), words((left - 6, y(tick) + 4), write_y(tick), "tick", "end")]
    parts += [line((x(tick), bottom), (x(tick), bottom + 2.5), "axis") for tick in x.between()]
    for tick in x.ticks():
        parts += [line((x(tick), bottom), (x(tick), bottom + 4), "axis"), words((x(tick), bottom + 17), f"{tick:,g}", "tick", "middle")]
    parts += [line((left, bottom), (right, bottom), "axis"), words((4, top - 10), titles[1], "title")]
    parts.append(words((right, bottom + 35), titles[0], "title", "end"))
    return join(parts)


def _ends(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return (min(found), max(found)) if found else (1.0, 2.0)


def _round_step(wanted: float) -> float:
    """Return the next of 1, 2, 5, 10 … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9))


def _log_ticks(low: float, high: float, steps: Iterable[int]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]
