"""Curves: losses over steps, scores over epochs, accuracy over confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from smelt.report.markup import Html, join, tag
from smelt.report.plots.axes import Scale, frame, linear
from smelt.report.plots.labels import Box, Spot, place_labels
from smelt.report.plots.svg import WIDTH, path, picture, shorten, words

_TOP, _BOTTOM, _LEFT, _RIGHT, _HEIGHT = 34, 226, 44, WIDTH - 10, 268


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line. Its kind is a CSS class."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    """Lower and upper end at each point, if known."""
    dots: Sequence[float] = ()
    """Radius of a dot at each point; empty draws none."""


def curves(lines: Sequence[Curve], titles: tuple[str, str], alt: str, *, named: bool = True) -> Html:
    """Draw curves over a linear axis, each with its name at its end. The first is drawn on top.

    Args:
        lines: at least one, each with at least one point.
        titles: of the x axis and the y axis.
        alt: the picture in words.
        named: write the names.
    """
    x = _tight([across for one in lines for across, _ in one.points], _LEFT + 8, _RIGHT - 8)
    y = linear(
        [up for one in lines for up in (*(point[1] for point in one.points), *(end for band in one.band for end in band))], _BOTTOM, _TOP
    )
    drawn = [_draw(one, x, y) for one in reversed(lines)]
    return picture(_HEIGHT, alt, frame(Scale(x.low, x.high, _LEFT, _RIGHT), y, titles), *drawn, _names(lines, x, y) if named else None)


def square(lines: Sequence[Curve], titles: tuple[str, str], alt: str) -> Html:
    """Draw curves of fractions against fractions, both axes from 0 to 1, with the diagonal."""
    x, y = Scale(0.0, 1.0, _LEFT, _RIGHT), Scale(0.0, 1.0, _BOTTOM, _TOP)
    diagonal = path([(x(0.0), y(0.0)), (x(1.0), y(1.0))], "level")
    return picture(_HEIGHT, alt, frame(x, y, titles), diagonal, *(_draw(one, x, y) for one in reversed(lines)))


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
    radii = one.dots or ([3.0] * len(places) if len(places) < 25 else [])
    dots = [tag("circle", cx=a, cy=b, r=radius, class_=f"dot {one.kind}") for (a, b), radius in zip(places, radii, strict=bool(radii))]
    return join([band, path(places, f"curve {one.kind}"), *dots])


def _names(lines: Sequence[Curve], x: Scale, y: Scale) -> Html:
    spots = [Spot(x(one.points[-1][0]), y(one.points[-1][1]), 4, [shorten(one.name, 190)]) for one in lines]
    labels = place_labels(spots, Box(_LEFT, _TOP - 6, WIDTH, _BOTTOM))
    return join(words((label.x, label.y), label.text, f"label {one.kind}") for label, one in zip(labels, lines, strict=True))


def _tight(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values), max(values)
    return Scale(low, high, start, end) if high > low else Scale(low - 1, high + 1, start, end)
