"""Markup of the plan's page: `tag` escapes every string that is not `Html` already. The report's own lies on a higher floor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_VOID = frozenset({"meta"})
# Characters that no page may hold; U+FFFD takes their place.
_FORBIDDEN = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(55296, 57344), 65534, 65535), "�")


class Html(str):
    """Markup, ready for a page. A plain string is not."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    numeric: bool = False


def tag(element: str, /, *children: object, **attributes: str | float | None) -> Html:
    """Return an element of HTML or SVG.

    Args:
        element: its name.
        children: `Html` is taken as it is, None is left out, whatever else is shown as escaped text.
        **attributes: `class_` is written `class`, `stroke_width` is written `stroke-width`; None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(_short(value))}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{element}{written}>" if element in _VOID else f"<{element}{written}>{join(children)}</{element}>")


def join(parts: Iterable[object]) -> Html:
    """Put markup and texts side by side. None is left out."""
    return Html("".join(part if isinstance(part, Html) else _plain(str(part)) for part in parts if part is not None))


def chapter(key: str, title: str, *content: object) -> Html:
    """Return a section that `#key` leads to."""
    return tag("section", tag("h2", title), *content, id=key)


def note(text: object) -> Html:
    """Return a paragraph that explains."""
    return tag("p", text, class_="note")


def fold(title: str, *content: object) -> Html:
    """Return what is shown on demand, and always in print."""
    return tag("details", tag("summary", title), *content)


def figure(picture: Html, title: str, caption: str | None) -> Html:
    """Return a picture that scrolls by itself where it is too wide, with the words that explain it."""
    words = tag("figcaption", caption) if caption else None
    return tag("figure", tag("div", picture, class_="scroll", role="region", tabindex=0, aria_label=title), words)


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Html:
    """Return a table that scrolls by itself where it is too wide. The first cell of a row is its heading."""
    head = tag("thead", tag("tr", *(tag("th", column.title, scope="col", class_=_kind(column)) for column in columns)))
    body = tag("tbody", *(_row(columns, row) for row in rows))
    return tag("div", tag("table", tag("caption", caption), head, body), class_="scroll", role="region", tabindex=0, aria_label=caption)


def key(marks: Iterable[tuple[str, str]]) -> Html:
    """Return what the colors mean: CSS classes and their words."""
    return tag("ul", *(tag("li", tag("i", class_=f"swatch {kind}"), text) for kind, text in marks), class_="key")


def _row(columns: Sequence[Column], cells: Sequence[object]) -> Html:
    first, *others = cells
    kept = (tag("td", cell, class_=_kind(column)) for column, cell in zip(columns[1:], others, strict=True))
    return tag("tr", tag("th", first, scope="row", class_=_kind(columns[0])), *kept)


def _kind(column: Column) -> str | None:
    return "number" if column.numeric else None


def _short(value: str | float) -> str:
    """Write a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    return escape(text.translate(_FORBIDDEN))
