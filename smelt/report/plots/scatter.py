"""The frontier: quality against a cost, one dot per candidate, its area the size on disk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smelt.markup import Html, join, tag
from smelt.report.plots.axes import Scale, frame, linear, logarithmic
from smelt.report.plots.labels import Box, Label, Spot, place_labels
from smelt.report.plots.svg import WIDTH, line, path, picture, rect, width_of, words

_TOP, _BOTTOM, _LEFT, _RIGHT, _HEIGHT = 34, 276, 44, WIDTH - 8, 318
_LARGEST, _SMALLEST, _RING = 11.0, 3.5, 3.5
# Points this far below the best are drawn at the lower edge: otherwise they would press everything else together.
_DEPTH = 12.0
SHAPES = ("reference", "chosen", "passed", "failed", "untested", "floor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One candidate. Scores in percent."""

    kind: str
    """One of `SHAPES`."""
    texts: Sequence[str]
    """Labels, the best first; the first that fits is taken."""
    title: str
    cost: float
    score: float
    interval: tuple[float, float] | None
    worst: float | None
    """The score that confirm guarantees, for what was tested."""
    area: float
    """Share of the largest size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A score that goes across, such as the floor's. Percent."""

    score: float
    text: str


def scatter(dots: Sequence[Dot], levels: Sequence[Level], titles: tuple[str, str], alt: str) -> Html:
    """Draw dots over a logarithmic cost.

    Args:
        dots: the most important first: its label gets the best place.
        levels: lines across.
        titles: of the x axis and the y axis.
        alt: the picture in words.
    """
    x = logarithmic([dot.cost for dot in dots], _LEFT, _RIGHT)
    y = _score_scale(dots, levels)
    spots = [
        Spot(x(dot.cost), y(dot.score), _radius(dot) + _RING * (dot.kind == "chosen"), [_text(dot, text, y) for text in dot.texts])
        for dot in dots
    ]
    solid = [box for dot in dots for box in _whiskers(dot, x, y)]
    across = [(level, _level_box(level, y, [*solid, *(spot.box for spot in spots)])) for level in levels if level.score >= y.low]
    labels = place_labels(spots, Box(_LEFT, _TOP - 8, WIDTH, _BOTTOM - 2), [*solid, *(box for _, box in across)])
    drawn = [_draw_dot(dot, x, y) for dot in reversed(dots)]
    named = [_draw_label(label, spot, dot) for label, spot, dot in zip(labels, spots, dots, strict=True)]
    return picture(_HEIGHT, alt, frame(x, y, titles), *(_draw_level(level, box, y) for level, box in across), *drawn, *named)


def mark(kind: str, x: float, y: float, radius: float, *children: object) -> Html:
    """Draw the sign of a kind; kinds differ in shape, not in color alone."""
    style = f"mark {kind}"
    if kind == "reference":
        corners = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
        return tag("polygon", *children, points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners), class_=style)
    if kind == "floor":
        return tag(
            "polygon",
            *children,
            points=f"{x - radius:.1f},{y + radius * 0.8:.1f} {x + radius:.1f},{y + radius * 0.8:.1f} {x:.1f},{y - radius:.1f}",
            class_=style,
        )
    if kind == "failed":
        half = radius * 0.86
        return rect((x - half, y - half), 2 * half, 2 * half, style, *children)
    dot = tag("circle", *children, cx=x, cy=y, r=radius, class_=style)
    return join([dot, tag("circle", cx=x, cy=y, r=radius + _RING, class_="ring")]) if kind == "chosen" else dot


def _score_scale(dots: Sequence[Dot], levels: Sequence[Level]) -> Scale:
    scores = [number for dot in dots for number in (dot.score, *(dot.interval or ()), *([dot.worst] if dot.worst is not None else []))]
    best = max((dot.score for dot in dots), default=100.0)
    shown = [score for score in [*scores, *(level.score for level in levels)] if score >= best - _DEPTH]
    return linear(shown, _BOTTOM, _TOP)


def _draw_dot(dot: Dot, x: Scale, y: Scale) -> Html:
    place, radius = x(dot.cost), _radius(dot)
    shape = mark(dot.kind, place, y(dot.score), radius, tag("title", dot.title))
    interval = line((place, y(dot.interval[0])), (place, y(dot.interval[1])), f"interval {dot.kind}") if dot.interval else None
    if dot.worst is None:
        return join([interval, shape])
    low = y(dot.worst)
    return join([interval, path([(place - 6, low - 6), (place, low), (place + 6, low - 6)], f"worst {dot.kind}"), shape])


def _draw_label(label: Label, spot: Spot, dot: Dot) -> Html:
    text = words((label.x, label.y), label.text, f"label {dot.kind}")
    if not label.led:
        return text
    right = label.x + 4 if label.x > spot.x else min(spot.x, label.x + 10)
    return join([line((spot.x, spot.y), (right, label.y - 4), "leader"), text])


def _draw_level(level: Level, box: Box, y: Scale) -> Html:
    place = y(level.score)
    return join([line((_LEFT, place), (_RIGHT, place), "level"), words((box.left, box.top + 12), level.text, "tick")])


def _level_box(level: Level, y: Scale, solid: Sequence[Box]) -> Box:
    """Return where a level's name goes: above or below its line, at the end where less is in its way."""
    place, width = y(level.score), width_of(level.text)
    choices = [Box(left, top, left + width, top + 15) for top in (place - 15, place + 1) for left in (_LEFT + 4, _RIGHT - width)]
    return min(choices, key=lambda box: sum(box.hidden_by(other) for other in solid))


def _whiskers(dot: Dot, x: Scale, y: Scale) -> list[Box]:
    """Return what of a dot besides its mark must stay readable."""
    place, found = x(dot.cost), []
    if dot.interval:
        found.append(Box(place - 2, y(dot.interval[1]), place + 2, y(dot.interval[0])))
    if dot.worst is not None:
        found.append(Box(place - 6, y(dot.worst) - 7, place + 6, y(dot.worst) + 1))
    return found


def _radius(dot: Dot) -> float:
    return max(_SMALLEST, _LARGEST * math.sqrt(dot.area))


def _text(dot: Dot, text: str, y: Scale) -> str:
    """Say the score of a point that stands below the picture."""
    return text if dot.score >= y.low else f"{text} ↓ {dot.score:.1f}"
