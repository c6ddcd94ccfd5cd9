"""Which class is taken for which: a table of shades."""

from collections.abc import Sequence

from smelt.markup import Html, join, tag
from smelt.report.plots.svg import WIDTH, picture, shorten, width_of, words

_ROOM, _MARGIN = 104.0, 4.0
_LINE = 18.0
_LETTERS = 24.0
"""A cell of at least this size has room for its number."""


def heat(counts: Sequence[Sequence[int]], names: Sequence[str], titles: tuple[str, str], alt: str) -> Html:
    """Draw a confusion table: rows are true classes, columns answers, the shade is the share of the row.

    Args:
        counts: C rows of C counts.
        names: of the C classes.
        titles: what rows and columns are.
        alt: the table in words.
    """
    left = min(_ROOM, max(width_of(name) for name in names) + 10) + 16
    cell = min(76.0, (WIDTH - left - _MARGIN) / len(names))
    top = 24.0 + (_LINE if _level(names, cell) else min(_ROOM, max(width_of(name) for name in names)))
    cells = [
        _cell(counts, row, column, (left + column * cell, top + row * cell), cell, names)
        for row in range(len(names))
        for column in range(len(names))
    ]
    rows = [words((left - 6, top + (row + 0.5) * cell + 4), shorten(name, left - 26), "tick", "end") for row, name in enumerate(names)]
    columns = [_column_name(name, left + (column + 0.5) * cell, top - 6, level=_level(names, cell)) for column, name in enumerate(names)]
    middle = top + cell * len(names) / 2
    turned = tag("text", titles[0], class_="title", text_anchor="middle", transform=f"translate(11 {middle:.0f}) rotate(-90)")
    return picture(top + cell * len(names) + 6, alt, turned, words((left, 12), titles[1], "title"), *rows, *columns, *cells)


def _level(names: Sequence[str], cell: float) -> bool:
    """Say whether the names of the columns fit side by side."""
    return all(width_of(name) < cell - 4 for name in names)


def _column_name(name: str, x: float, y: float, *, level: bool) -> Html:
    if level:
        return words((x, y), name, "tick", "middle")
    return tag("text", shorten(name, _ROOM - 4), class_="tick", transform=f"translate({x + 4:.1f} {y:.1f}) rotate(-90)")


def _cell(
    counts: Sequence[Sequence[int]], row: int, column: int, corner: tuple[float, float], side: float, names: Sequence[str]
) -> Html:  # fmt: skip
    number, total = counts[row][column], sum(counts[row])
    share = number / total if total else 0.0
    title = tag("title", f"{names[row]} → {names[column]}: {number} / {total}")
    kind = "right" if row == column else "wrong"
    shade = tag(
        "rect",
        title,
        x=corner[0] + 0.5,
        y=corner[1] + 0.5,
        width=side - 1,
        height=side - 1,
        class_=f"cell {kind}",
        fill_opacity=f"{_shade(share, kind):.2f}",
    )
    if side < _LETTERS or not number:
        return shade
    strong = "number strong" if _shade(share, kind) > 0.55 else "number"
    return join([shade, words((corner[0] + side / 2, corner[1] + side / 2 + 4), str(number), strong, "middle")])


def _shade(share: float, kind: str) -> float:
    """Make small shares of errors visible: they matter more than the difference between 90 and 95 % right."""
    return 0.06 + 0.94 * (share if kind == "right" else min(1.0, 2.5 * share))
