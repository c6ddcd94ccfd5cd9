"""Confidence against the share that is right, one dot per bin, with the interval of that share."""

from collections.abc import Sequence
from dataclasses import dataclass

from smelt.markup import Html, join, tag
from smelt.report.plots.axes import Scale, frame
from smelt.report.plots.svg import WIDTH, line, path, picture
from smelt.verify.wilson import wilson

_TOP, _BOTTOM, _LEFT, _RIGHT, _HEIGHT = 34, 296, 44, WIDTH - 10, 338
_LARGEST, _SMALLEST = 9.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Examples answered with about the same confidence."""

    confidence: float
    """Mean. Fraction."""
    accuracy: float
    """Share that is right. Fraction."""
    count: int


def reliability(bins: Sequence[Bin], kind: str, titles: tuple[str, str], alt: str) -> Html:
    """Draw bins on axes from 0 to 1, with the diagonal on which confidence is true.

    Args:
        bins: at least one; none is empty.
        kind: CSS class of the model.
        titles: of the x axis and the y axis.
        alt: the picture in words.
    """
    x, y = Scale(0.0, 1.0, _LEFT, _RIGHT), Scale(0.0, 1.0, _BOTTOM, _TOP)
    diagonal = path([(x(0.0), y(0.0)), (x(1.0), y(1.0))], "level")
    largest = max(one.count for one in bins)
    return picture(_HEIGHT, alt, frame(x, y, titles), diagonal, *(_draw(one, kind, largest, (x, y)) for one in bins))


def _draw(one: Bin, kind: str, largest: int, scales: tuple[Scale, Scale]) -> Html:
    x, y = scales
    low, high = wilson(one.accuracy, one.count)
    place, radius = x(one.confidence), max(_SMALLEST, _LARGEST * (one.count / largest) ** 0.5)
    title = tag("title", f"{one.confidence:.2f} → {one.accuracy:.2f} ({one.count})")
    return join(
        [
            line((place, y(low)), (place, y(high)), f"interval {kind}"),
            tag("circle", title, cx=place, cy=y(one.accuracy), r=radius, class_=f"dot {kind}"),
        ]
    )
