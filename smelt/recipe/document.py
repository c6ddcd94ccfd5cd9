"""Read YAML 1.2 into plain values, and remember where each key and value stands.

A recipe is small and flat, so what makes YAML dangerous or surprising is refused: anchors and aliases (they can grow without end),
tags, several documents, duplicate keys, deep nesting, large files. `no` and dates are texts, `1e-4` is a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from smelt.errors import RecipeFault, RecipeFaults
from smelt.language import say
from smelt.recipe.syntax import explain

LARGEST_BYTES = 256 * 1024
DEEPEST = 16

Trail = tuple[str | int, ...]
"""Keys and list indices from the root to a value, such as `("compress", "students", 0, "layers")`."""


class Nothing(Enum):
    """What a key without a value holds. Not None: no section takes it for an answer."""

    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands. `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int
    column: int

    def fault(self, trail: Trail, message: str) -> RecipeFault:
        """Return a fault at this place."""
        return RecipeFault(file=self.file, line=self.line, column=self.column, path=dotted(trail), message=message)


@dataclass(slots=True)
class Document:
    """Plain values (dict, list, str, int, float, bool, `Nothing`) and the places of their keys and values."""

    file: str
    tree: object
    keys: dict[Trail, Place] = field(default_factory=dict)
    values: dict[Trail, Place] = field(default_factory=dict)

    def key_place(self, trail: Trail) -> Place:
        """Return where a key or list entry stands; of what stands nowhere, where the section around it stands."""
        place = self.keys.get(trail) or self.values.get(trail)
        if place is None:
            return self.key_place(trail[:-1]) if trail else Place(self.file, 0, 0)
        return place

    def value_place(self, trail: Trail) -> Place:
        """Return where a value stands; of what stands nowhere, where the section around it stands."""
        return self.values.get(trail) or self.key_place(trail)

    def at(self, trail: Trail) -> Any:  # noqa: ANN401 - a recipe holds anything until it has been checked
        """Return the value at a trail that exists."""
        value: Any = self.tree
        for part in trail:
            value = value[part]
        return value

    def put(self, trail: Trail, value: object) -> None:
        """Set a value whose section exists, and forget the places below it."""
        self.at(trail[:-1])[trail[-1]] = value
        for places in (self.keys, self.values):
            for below in [other for other in places if other[: len(trail)] == trail and len(other) > len(trail)]:
                del places[below]

    def rename(self, trail: Trail, name: str) -> None:
        """Give a key another name, places included. If the name is taken, the key goes."""
        section = self.at(trail[:-1])
        value = section.pop(trail[-1])
        if name in section:
            return
        section[name] = value
        for places in (self.keys, self.values):
            for below in [other for other in places if other[: len(trail)] == trail]:
                places[(*trail[:-1], name, *below[len(trail) :])] = places.pop(below)


def dotted(trail: Trail) -> str:
    """Write a trail as people do: `compress.students.0.layers`."""
    return ".".join(map(str, trail))


def read_document(content: bytes, file: str) -> Document:
    """Read a whole recipe. An empty file is an empty mapping.

    Args:
        content: UTF-8, with or without a byte-order mark.
        file: name for the faults.

    Raises:
        RecipeFaults: it is not UTF-8, not YAML, not one mapping, or uses what is refused.
    """
    start = Place(file, 1, 1)
    if len(content) > LARGEST_BYTES:
        message = say("got {n} bytes, want at most {most}", n=len(content), most=LARGEST_BYTES)
        raise RecipeFaults(file, [start.fault(("YAML",), message)])
    document = parse(_decode(content, file), start)
    if document.tree is Nothing.NOTHING:
        document.tree = {}
    if not isinstance(document.tree, dict):
        fault = document.values[()].fault(("recipe",), say("want keys with values, such as `data:` and `task:`"))
        raise RecipeFaults(file, [fault])
    return document


def parse(text: str, start: Place) -> Document:
    """Read one YAML value of any type; `start` is the place of its first character.

    Raises:
        RecipeFaults: it is not YAML, or uses what is refused.
    """
    builder = _Builder(text, start)
    tree = builder.build()
    if builder.faults:
        raise RecipeFaults(start.file, builder.faults)
    return Document(start.file, tree, builder.keys, builder.values)


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error counts within what follows a byte-order mark.
        before = content.removeprefix(b"\xef\xbb\xbf")[: error.start]
        line, column = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        fault = Place(file, line, column).fault(("YAML",), say("this is not UTF-8 text. Save the file as UTF-8"))
        raise RecipeFaults(file, [fault]) from error


class _Builder:
    """Turns the events of ruamel.yaml's parser into values. Our own, for the limits and the places."""

    def __init__(self, text: str, start: Place) -> None:
        self.start = start
        self.text = text
        self.faults: list[RecipeFault] = []
        self.keys: dict[Trail, Place] = {}
        self.values: dict[Trail, Place] = {}
        self.events = self._parse()

    def build(self) -> object:
        event = next(self.events)
        while not isinstance(event, NodeEvent | StreamEndEvent):
            event = next(self.events)
        if isinstance(event, StreamEndEvent):
            self.values[()] = self.start
            return Nothing.NOTHING
        tree = self._node(event, ())
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                self._fault(event, ("YAML",), say("a second document. A recipe is one; remove the `---` between them"))
                break
        return tree

    def _parse(self) -> Iterator[Event]:
        try:
            yield from YAML(typ="safe", pure=True).parse(self.text)
        except MarkedYAMLError as error:
            mark, message = explain(error)
            raise RecipeFaults(self.start.file, [self._at(mark.line, mark.column).fault(("YAML",), message)]) from error
        except (YAMLError, ValueError, OverflowError) as error:
            # ruamel.yaml's reader names a character index only, and its scanner trips over some malformed escapes and tags.
            before = self.text[: getattr(error, "position", 0)]
            place = self._at(before.count("\n"), len(before) - before.rfind("\n") - 1)
            raise RecipeFaults(self.start.file, [place.fault(("YAML",), say("a character that YAML does not allow"))]) from error

    def _at(self, line: int, column: int) -> Place:
        return Place(self.start.file, self.start.line + line, column + (self.start.column if line == 0 else 1))

    def _place(self, event: Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return self._at(mark.line, mark.column)

    def _fault(self, event: Event, trail: Trail, message: str) -> None:
        self.faults.append(self._place(event).fault(trail, message))

    def _node(self, event: Event, trail: Trail) -> object:
        self.values[trail] = self._place(event)
        if len(trail) > DEEPEST:
            self._fault(event, trail[:2], say("nested deeper than {most} levels", most=DEEPEST))
            raise RecipeFaults(self.start.file, self.faults)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self._fault(event, trail or ("YAML",), say("anchors (&) and aliases (*) are not read. Write the value out, or quote the text"))
        if getattr(event, "tag", None):
            self._fault(event, trail or ("YAML",), say("tags (!) are not read. Leave it out, or quote the text"))
        match event:
            case MappingStartEvent():
                return self._mapping(trail)
            case SequenceStartEvent():
                return self._sequence(trail)
            case ScalarEvent():
                return event.value if event.style else resolve(event.value)
            case _:
                return Nothing.NOTHING

    def _sequence(self, trail: Trail) -> list[object]:
        result: list[object] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            result.append(self._node(event, (*trail, len(result))))
        return result

    def _mapping(self, trail: Trail) -> dict[str, object]:
        result: dict[str, object] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                self._fault(event, trail or ("YAML",), say("a key has to be a word. A text with {{ or [ or * needs quotes"))
                self._node(event, (*trail, "?"))
                self._node(next(self.events), (*trail, "?"))
                continue
            key = str(event.value)
            inner = (*trail, key)
            if key in result:
                self._fault(event, inner, say("stands here twice; first on line {line}", line=self.keys[inner].line))
                self._node(next(self.events), (*trail, "?"))
                continue
            self.keys[inner] = self._place(event)
            value = next(self.events)
            result[key] = self._node(value, inner)
            if isinstance(value, ScalarEvent) and not value.value and not value.style:
                # The parser places what is not there at the next thing that is.
                self.values[inner] = self.keys[inner]
        return result


_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_OTHER_INTEGER = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), Nothing.NOTHING),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> object:
    """Resolve an unquoted scalar by the core schema of YAML 1.2, section 10.3."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=[inIN])", "", text))
    return text
