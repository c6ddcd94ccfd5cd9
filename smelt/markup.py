"""Markup that cannot be injected into: `tag` escapes every string that is not `Html` already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from smelt.language import language

_STYLE = Path(__file__).with_suffix(".css")
_VOID = frozenset({"br", "meta"})
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
    wide: bool = False
    """Left out on a phone."""


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


def whole(title: str, style: Path, policy: str, body: Html) -> str:
    """Return a self-contained page.

    Args:
        title: of the page.
        style: a CSS file, which comes after what all pages share.
        policy: what the page may load, as a Content-Security-Policy.
        body: its `<body>`.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(_STYLE.read_text(encoding="utf-8") + style.read_text(encoding="utf-8"))),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="zh-CN" if language() == "zh" else "en") + "\n"


def join(parts: Iterable[object]) -> Html:
    """Put markup and texts side by side. None is left out."""
    return Html("".join(part if isinstance(part, Html) else _plain(str(part)) for part in parts if part is not None))


def name(text: str) -> Html:
    """Return a name from the data, kept apart from its surroundings whatever its direction of writing."""
    return tag("bdi", text)


def prose(text: str) -> Html:
    """Return a sentence whose `backticks` become code."""
    return join(tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`")))


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, cards: bool = False) -> Html:
    """Return a table that scrolls by itself where it is too wide. The first cell of a row is its heading.

    Args:
        caption: what the table shows.
        columns: their titles and kinds.
        rows: one cell per column.
        cards: on a phone a row becomes a card, its heading above its numbers.
    """
    head = tag("thead", tag("tr", *(tag("th", column.title, scope="col", class_=_kind(column)) for column in columns)))
    body = tag("tbody", *(_row(columns, row) for row in rows))
    whole = tag("table", tag("caption", caption), head, body, class_="cards" if cards else None)
    return tag("div", whole, class_="scroll", role="region", tabindex=0, aria_label=caption)


def facts(caption: str, rows: Iterable[tuple[object, object]]) -> Html:
    """Return a table of two columns without a head: what, and its value."""
    cells = (tag("tr", tag("th", key, scope="row"), tag("td", value)) for key, value in rows)
    return tag("div", tag("table", tag("caption", caption), tag("tbody", *cells), class_="facts"), class_="scroll")


def chapter(key: str, title: str, *content: object) -> Html:
    """Return a section that `#key` leads to."""
    return tag("section", tag("h2", title), *content, id=key)


def panels(*content: object) -> Html:
    """Put panels side by side where there is room, below each other where not."""
    return tag("div", *content, class_="panels")


def panel(picture: Html, title: str, caption: object = None) -> Html:
    """Return a picture with its title and the words that explain it."""
    words = tag("figcaption", tag("b", title), " ", caption)
    return tag("figure", words, picture)


def note(text: object) -> Html:
    """Return a paragraph that explains."""
    return tag("p", text, class_="note")


def fold(title: str, *content: object) -> Html:
    """Return what is shown on demand, and always in print."""
    return tag("details", tag("summary", title), *content)


def _row(columns: Sequence[Column], cells: Sequence[object]) -> Html:
    first, *others = cells
    heading = tag("th", first, scope="row", class_=_kind(columns[0]))
    return tag(
        "tr",
        heading,
        *(tag("td", cell, class_=_kind(column), data_title=column.title) for column, cell in zip(columns[1:], others, strict=True)),
    )


def _kind(column: Column) -> str | None:
    return " ".join(word for word, holds in (("number", column.numeric), ("wide", column.wide)) if holds) or None


def _short(value: str | float) -> str:
    """Write a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    return escape(text.translate(_FORBIDDEN))
