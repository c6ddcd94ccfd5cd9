"""Curves: losses over steps, scores over epochs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from smelt.markup import Html, join, tag
from smelt.report.plots.axes import Scale, frame, linear
from smelt.report.plots.labels import Box, Spot, place_labels
from smelt.report.plots.svg import WIDTH, path, picture, shorten, words

_TOP, _BOTTOM, _LEFT, _RIGHT, _HEIGHT = 34, 226, 44, WIDTH - 10, 268
_FEW = 25
"""Points that are drawn as dots too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line. Its kind is a CSS class."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    """Lower and upper end at each point, if known."""


def curves(lines: Sequence[Curve], titles: tuple[str, str], alt: str, *, named: bool = True) -> Html:
    """Draw curves over a linear axis, each with its name at its end. The first is drawn on top.

    Args:
        lines: at least one, each with at least one point.
        titles: of the x axis and the y axis.
        alt: the picture in words.
        named: write the names.
    """
    x = linear([across for one in lines for across, _ in one.points], _LEFT, _RIGHT, room=0.03)
    y = linear(
        [up for one in lines for up in (*(point[1] for point in one.points), *(end for band in one.band for end in band))], _BOTTOM, _TOP
    )
    drawn = [_draw(one, x, y) for one in reversed(lines)]
    return picture(_HEIGHT, alt, frame(x, y, titles), *drawn, _names(lines, x, y) if named else None)


def thin(points: Sequence[tuple[float, float]], most: int = 160) -> list[tuple[float, float]]:
    """Return at most so many points, each the mean of its neighbors."""
    size = -(-len(points) // most) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def _draw(one: Curve, x: Scale, y: Scale) -> Html:
    places = [(x(across), y(up)) for across, up in one.points]
    edge = [(place[0], y(ends[1])) for place, ends in zip(places, one.band, strict=bool(one.band))]
    edge += [(place[0], y(ends[0])) for place, ends in reversed(list(zip(places, one.band, strict=bool(one.band))))]
    band = tag("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in edge), class_=f"band {one.kind}") if edge else None
    dots = [tag("circle", cx=a, cy=b, r=3, class_=f"dot {one.kind}") for a, b in places] if len(places) < _FEW else []
    return join([band, path(places, f"curve {one.kind}"), *dots])


def _names(lines: Sequence[Curve], x: Scale, y: Scale) -> Html:
    spots = [Spot(x(one.points[-1][0]), y(one.points[-1][1]), 4, [shorten(one.name, 190)]) for one in lines]
    labels = place_labels(spots, Box(_LEFT, _TOP - 6, WIDTH, _BOTTOM), [box for one in lines for box in _trail(one, x, y)])
    return join(words((label.x, label.y), label.text, f"label {one.kind}") for label, one in zip(labels, lines, strict=True))


def _trail(one: Curve, x: Scale, y: Scale) -> Iterator[Box]:
    """Cover a curve with small boxes, so that no name is written over it."""
    for (left, before), (right, after) in pairwise(one.points):
        for part in range(8):
            at, level = x(left + (right - left) * part / 8), y(before + (after - before) * part / 8)
            yield Box(at - 2, level - 2, at + 2, level + 2)
