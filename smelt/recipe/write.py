"""Write a single value as YAML that reads back as the same value."""

import re
from collections.abc import Sequence

from smelt.recipe.document import resolve

_PLAIN = re.compile(r"(\.{0,2}/)?[^\W\d][\w./-]*")


def written(value: object) -> str:
    """Return a text, finite number, truth value or list of those as YAML on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value if _PLAIN.fullmatch(value) and resolve(value) == value else _quoted(value)
        case Sequence():
            return f"[{', '.join(map(written, value))}]"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    letters = (f"\\{letter}" if letter in '"\\' else letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)
    return f'"{"".join(letters)}"'
