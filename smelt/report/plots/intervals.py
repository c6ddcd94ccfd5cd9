"""How much was lost: intervals of the drop against the margin."""

from collections.abc import Sequence
from dataclasses import dataclass

from smelt.markup import Html, join
from smelt.report.plots.axes import Scale, linear
from smelt.report.plots.scatter import mark
from smelt.report.plots.svg import WIDTH, line, picture, rect, shorten, words

_LEFT, _RIGHT, _TOP, _ROW = 14, WIDTH - 14, 34, 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What one candidate loses against the reference. Percentage points."""

    name: str
    certified: bool
    lower: float | None
    drop: float | None
    upper: float


def intervals(drops: Sequence[Drop], margin: float, words_of_axis: tuple[str, str, str], alt: str) -> Html:
    """Draw one bar per candidate, and the margin as a line that a certified bar ends before.

    Args:
        drops: in the order of testing.
        margin: percentage points.
        words_of_axis: what zero is called, what the margin is called, and the title of the axis.
        alt: the picture in words.
    """
    zero, limit, title = words_of_axis
    ends = [number for drop in drops for number in (drop.lower, drop.drop, drop.upper) if number is not None]
    x = linear([0.0, margin, *ends], _LEFT, _RIGHT, room=0.12)
    bottom = _TOP + _ROW * len(drops) + 6
    tops = [_TOP + _ROW * row for row in range(len(drops))]
    bars = [_draw(drop, x, top) for drop, top in zip(drops, tops, strict=True)]
    ticks = [words((x(tick), bottom + 17), f"{tick:g}".replace("-", "−"), "tick", "middle") for tick in x.ticks()]
    beyond = rect((x(margin), _TOP - 4), _RIGHT - x(margin), bottom - _TOP + 4, "beyond")
    lines = [line((x(0.0), top + 22), (x(0.0), top + 42), "axis") for top in tops]
    lines += [line((x(margin), top + 22), (x(margin), top + 42), "margin") for top in tops]
    close = abs(x(margin) - x(0.0)) < 90
    heads = [words((x(0.0), 12 if close else 24), zero, "tick", "middle"), words((x(margin), 24), limit, "label margin", "middle")]
    foot = [line((_LEFT, bottom), (_RIGHT, bottom), "axis"), *ticks, words((_RIGHT, bottom + 35), title, "title", "end")]
    return picture(bottom + 42, alt, beyond, *lines, *heads, *bars, *foot)


def _draw(drop: Drop, x: Scale, top: float) -> Html:
    kind, middle = "passed" if drop.certified else "failed", top + 32
    start = x(drop.lower if drop.lower is not None else x.low)
    bar = rect((start, middle - 5), x(drop.upper) - start, 10, f"bar {kind}")
    seen = mark("chosen" if drop.certified else "failed", x(drop.drop), middle, 4) if drop.drop is not None else None
    return join([words((_LEFT, top + 16), shorten(drop.name, _RIGHT - _LEFT), f"label {kind}"), bar, seen])
