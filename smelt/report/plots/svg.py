"""Pieces of SVG. Coordinates are panel units, of which a panel is 400 wide."""

import unicodedata
from collections.abc import Sequence

from smelt.markup import Html, tag

WIDTH = 400
FONT = 12.5
"""Size of text, as style.css has it."""


def picture(height: float, alt: str, *parts: object) -> Html:
    """Return a panel's picture; `alt` is what a reader hears who does not see it."""
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img", aria_label=alt)


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Html:
    """Draw a straight line of a CSS class."""
    return tag("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=kind)


def path(points: Sequence[tuple[float, float]], kind: str) -> Html:
    """Draw a line through points."""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def rect(corner: tuple[float, float], width: float, height: float, kind: str, *children: object) -> Html:
    """Draw a rectangle from its upper left corner."""
    return tag("rect", *children, x=corner[0], y=corner[1], width=max(width, 0.0), height=max(height, 0.0), class_=kind)


def words(place: tuple[float, float], text: str, kind: str | None = None, anchor: str = "start") -> Html:
    """Write text on its baseline; `anchor` is `start`, `middle` or `end`."""
    return tag("text", text, x=place[0], y=place[1], class_=kind, text_anchor=None if anchor == "start" else anchor)


def width_of(text: str) -> float:
    """Estimate how wide text is drawn: full-width letters take an em, others about 0.6 of one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return FONT * (wide + 0.6 * (len(text) - wide))


def shorten(text: str, room: float) -> str:
    """Cut text that is wider than the room."""
    if width_of(text) <= room + 0.01:
        return text
    while text and width_of(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"
