"""What the sections allow, read from their types: which keys, which kinds, which values, and the words for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from smelt.language import say
from smelt.recipe.section import Section

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """One type that a value may have: a section, a Literal, a tuple, or a scalar type."""

    form: object
    limits: Mapping[str, object]
    """Such as `{"ge": 1}`, by the names of `pydantic.Field`."""

    @property
    def section(self) -> type[Section] | None:
        """The section class, if it is one."""
        return self.form if isinstance(self.form, type) and issubclass(self.form, Section) else None

    @property
    def item(self) -> object:
        """What the entries of a tuple are; None if it is not a tuple."""
        return get_args(self.form)[0] if get_origin(self.form) is tuple else None

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a Literal or a truth value accepts."""
        if self.form is bool:
            return ("true", "false")
        return tuple(map(str, get_args(self.form))) if get_origin(self.form) is Literal else ()


def choices(annotation: object) -> tuple[Choice, ...]:
    """Return the types that an annotation allows, in order, without None."""
    return tuple(_choices(annotation, {}))


def sections(annotation: object) -> tuple[type[Section], ...]:
    """Return the section classes that an annotation allows, in order; a tuple's entries are not looked into."""
    return tuple(choice.section for choice in choices(annotation) if choice.section)


@cache
def fields(section: type[Section]) -> dict[str, object]:
    """Return the annotations of a section's fields, in order."""
    hints = get_type_hints(section, include_extras=True)
    return {name: hints[name] for name in section.model_fields}


def kind_of(section: type[Section]) -> str | None:
    """Return the section's `kind`, if it has one."""
    hint = fields(section).get("kind")
    return str(get_args(hint)[0]) if hint else None


def accepted(annotation: object) -> str:
    """Say in words what a value may be, such as `a whole number of at least 1, or 'auto'`."""
    allowed = choices(annotation)
    classes = sections(annotation)
    if len(classes) > 1:
        return say("keys and values, `kind:` one of: {kinds}", kinds=", ".join(str(kind_of(each)) for each in classes))
    return say(", or ").join(_accepted(choice) for choice in allowed)


def found(value: object) -> str:
    """Say in words what stands in the recipe."""
    match value:
        case None | Enum():
            return say("nothing")
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'" if len(value) <= _LONGEST else f"'{value[:_LONGEST]}…'"
        case int() | float():
            return f"{value}"
        case Mapping():
            return say("keys and values")
        case list() | tuple():
            return say("a list of {n}", n=len(value))
        case _:
            return type(value).__name__


def _choices(annotation: object, limits: Mapping[str, object]) -> Iterator[Choice]:
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        yield from _choices(inner, {**limits, **_limits(notes)})
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _choices(member, limits)
    elif annotation not in (None, NoneType):
        yield Choice(annotation, limits)


def _limits(notes: list[object]) -> dict[str, object]:
    parts = [part for note in notes if isinstance(note, FieldInfo) for part in note.metadata]
    names = ("gt", "ge", "lt", "le", "min_length", "pattern")
    return {name: getattr(part, name) for part in parts for name in names if getattr(part, name, None) is not None}


def _accepted(choice: Choice) -> str:
    if choice.section:
        return say("keys and values (keys: {keys})", keys=", ".join(fields(choice.section)))
    if choice.form is bool:
        return say("true or false")
    if choice.words:
        return f"'{choice.words[0]}'" if len(choice.words) == 1 else say("one of: {words}", words=", ".join(choice.words))
    if choice.item is not None:
        least, each = choice.limits.get("min_length"), accepted(choice.item)
        return say("a list of at least {least}, each {each}", least=least, each=each) if least else say("a list, each {each}", each=each)
    if choice.form is str:
        return _accepted_text(choice.limits)
    return _accepted_number(choice)


def _accepted_text(limits: Mapping[str, object]) -> str:
    if "pattern" in limits:
        return say("at most 64 of: lower-case letters, digits, '.', '_', '-', a letter or digit first")
    return say("a text that is not empty") if limits.get("min_length") else say("a text")


def _accepted_number(choice: Choice) -> str:
    limits = choice.limits
    bounds = [
        say("of at least {bound}", bound=limits["ge"]) if "ge" in limits else "",
        say("above {bound}", bound=limits["gt"]) if "gt" in limits else "",
        say("of at most {bound}", bound=limits["le"]) if "le" in limits else "",
        say("below {bound}", bound=limits["lt"]) if "lt" in limits else "",
    ]
    number = say("a whole number") if choice.form is int else say("a number")
    return " ".join([number, say(" and ").join(bound for bound in bounds if bound)]).strip()
