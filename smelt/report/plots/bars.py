"""How many of each: horizontal bars."""

from collections.abc import Sequence

from smelt.markup import Html, join, tag
from smelt.report.plots.svg import WIDTH, picture, rect, shorten, width_of, words

_ROW = 23.0
_ROOM = 150.0


def bars(rows: Sequence[tuple[str, float, str]], alt: str) -> Html:
    """Draw one bar per row of name, length and what is written behind it.

    Args:
        rows: at least one; lengths are not negative.
        alt: the picture in words.
    """
    left = min(_ROOM, max(width_of(name) for name, _, _ in rows)) + 8
    right = WIDTH - 6 - max(width_of(text) for _, _, text in rows)
    most = max(length for _, length, _ in rows) or 1.0
    drawn = [_row(row, left, (right - left) * row[1] / most, place * _ROW) for place, row in enumerate(rows)]
    return picture(_ROW * len(rows) + 2, alt, *drawn)


def _row(row: tuple[str, float, str], left: float, length: float, top: float) -> Html:
    name, _, text = row
    shown = shorten(name, left - 8)
    parts = (
        tag("title", f"{name}: {text}"),
        words((left - 8, top + 15), shown, "tick", "end"),
        rect((left, top + 4), max(length, 1.0), _ROW - 9, "bar plain"),
        words((left + length + 5, top + 15), text, "tick"),
    )
    return tag("g", join(parts))
