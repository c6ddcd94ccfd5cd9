"""What the plan's page has beside the markup that all pages share."""

from collections.abc import Iterable

from smelt.markup import Html, tag


def figure(picture: Html, title: str, caption: str | None) -> Html:
    """Return a picture that scrolls by itself where it is too wide, with the words that explain it."""
    words = tag("figcaption", caption) if caption else None
    return tag("figure", tag("div", picture, class_="scroll", role="region", tabindex=0, aria_label=title), words)


def key(marks: Iterable[tuple[str, str]]) -> Html:
    """Return what the colors mean: CSS classes and their words."""
    return tag("ul", *(tag("li", tag("i", class_=f"swatch {kind}"), text) for kind, text in marks), class_="key")
