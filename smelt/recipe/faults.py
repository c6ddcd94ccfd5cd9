"""Check a document against the sections, and say every fault in words, at its place.

Pydantic says where something is wrong; what is accepted there is read from the types. A misspelled key or kind is mended in a copy
and the check goes on, so that one slip neither hides other faults nor drags false ones along.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smelt.errors import RecipeFault, RecipeFaults
from smelt.language import say
from smelt.recipe.document import Document, Trail, dotted
from smelt.recipe.section import Section
from smelt.recipe.shape import accepted, choices, fields, found, kind_of, sections
from smelt.recipe.suggest import is_slip, nearest, own_word

R = TypeVar("R", bound=Section)


def check(root: type[R], document: Document) -> R:
    """Return the document as a frozen section.

    Raises:
        RecipeFaults: every fault of it, one for each path.
    """
    document = deepcopy(document)
    faults: list[RecipeFault] = []
    while True:
        try:
            section = root.model_validate(document.tree)
        except ValidationError as error:
            findings = _findings(root, document, error.errors(include_url=False))
        else:
            if not faults:
                return section
            break
        mends = [finding.mend for finding in findings if finding.mend]
        faults += [finding.fault for finding in findings if finding.mend or not mends]
        if not mends:
            break
        for mend in mends:
            mend()
    raise RecipeFaults(document.file, faults)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error lies."""

    trail: Trail
    allowed: object
    """The annotation of the value there; None for an unknown key."""
    section: type[Section]
    """The section around it, of the kind that the recipe chose."""


@dataclass(frozen=True, slots=True)
class _Finding:
    trail: Trail
    fault: RecipeFault
    mend: Callable[[], None] | None = None
    """Corrects the document as the fault's suggestion says."""


def _findings(root: type[Section], document: Document, errors: list[ErrorDetails]) -> list[_Finding]:
    # Each member of a union reports its own error: one for each path is enough, and none for what lies around a deeper one.
    found_at: dict[Trail, _Finding] = {}
    for error in errors:
        finding = _finding(root, document, error)
        found_at.setdefault(finding.trail, finding)
    around = {trail[:length] for trail in found_at for length in range(len(trail))}
    return [finding for trail, finding in found_at.items() if trail not in around]


def _finding(root: type[Section], document: Document, error: ErrorDetails) -> _Finding:
    spot = _locate(root, error["loc"])
    match error["type"]:
        case "extra_forbidden" | "invalid_key":
            return _unknown_key(root, document, spot)
        case "missing":
            return _missing(document, spot.trail, accepted(spot.allowed))
        case "union_tag_invalid":
            return _bad_kind(document, spot)
        case "union_tag_not_found":
            return _no_kind(document, spot)
        case "value_error":
            message = str(error.get("ctx", {}).get("error"))
            return _Finding(spot.trail, document.value_place(spot.trail).fault(spot.trail, message))
        case _:
            return _bad_value(document, spot, error["input"])


def _locate(root: type[Section], loc: tuple[int | str, ...]) -> _Spot:
    """Follow pydantic's path along the types. It names union members and kinds on the way, which no recipe does."""
    trail: Trail = ()
    allowed: object = root
    here: object = root
    section = root
    for part in loc:
        options, classes = choices(here), sections(here)
        if len(classes) > 1:
            here = next(each for each in classes if kind_of(each) == part)
        elif len(options) > 1:
            here = next((option.form for option in options if option.item is not None), None)
        elif options:
            section = classes[0] if classes else section
            allowed = here = fields(section).get(str(part)) if classes else options[0].item
            trail = (*trail, part)
    return _Spot(trail, allowed, section)


def _unknown_key(root: type[Section], document: Document, spot: _Spot) -> _Finding:
    key = str(spot.trail[-1])
    place = document.key_place(spot.trail)
    present = document.at(spot.trail[:-1])
    suggestion = nearest(key, sorted(fields(spot.section), key=lambda name: name in present))
    homes = _homes_of(root, own_word(key))
    if suggestion and (not homes or is_slip(key, suggestion) or suggestion == own_word(key)):
        fault = place.fault(spot.trail, say("unknown key. Did you mean '{suggestion}'?", suggestion=suggestion))
        return _Finding(spot.trail, fault, partial(document.rename, spot.trail, suggestion))
    if homes:
        return _Finding(spot.trail, place.fault(spot.trail, say("unknown key. '{key}' belongs to {homes}", key=own_word(key), homes=homes)))
    keys = ", ".join(fields(spot.section))
    return _Finding(spot.trail, place.fault(spot.trail, say("unknown key, want one of: {keys}", keys=keys)))


def _missing(document: Document, trail: Trail, wanted: str) -> _Finding:
    return _Finding(trail, document.key_place(trail[:-1]).fault(trail, say("missing, want {wanted}", wanted=wanted)))


def _bad_kind(document: Document, spot: _Spot) -> _Finding:
    trail = (*spot.trail, "kind")
    value, present = document.at(trail), document.at(spot.trail).keys()
    kinds = [str(kind_of(each)) for each in sections(spot.allowed)]
    # Of two kinds that are spelled alike, the one that has the recipe's keys is meant.
    likely = sorted(sections(spot.allowed), key=lambda each: len(present - fields(each).keys()))
    words = [str(kind_of(each)) for each in likely]
    fitting = [word for word, each in zip(words, likely, strict=True) if not present - fields(each).keys()]
    suggestion = None
    if isinstance(value, str):
        suggestion = next((word for word in fitting if is_slip(value, word)), None) or nearest(value, words)
    wanted = say("one of: {words}", words=", ".join(kinds))
    fault = document.value_place(trail).fault(trail, _refusal(value, wanted, suggestion))
    return _Finding(trail, fault, partial(document.put, trail, suggestion) if suggestion else None)


def _no_kind(document: Document, spot: _Spot) -> _Finding:
    classes = sections(spot.allowed)
    known = {name for each in classes for name in fields(each)}
    for key in document.at(spot.trail):
        if key not in known and nearest(str(key), sorted(known)) == "kind":
            trail = (*spot.trail, key)
            fault = document.key_place(trail).fault(trail, say("unknown key. Did you mean '{suggestion}'?", suggestion="kind"))
            return _Finding(trail, fault, partial(document.rename, trail, "kind"))
    kinds = ", ".join(str(kind_of(each)) for each in classes)
    return _missing(document, (*spot.trail, "kind"), say("one of: {words}", words=kinds))


def _bad_value(document: Document, spot: _Spot, value: object) -> _Finding:
    words = [word for choice in choices(spot.allowed) for word in choice.words]
    suggestion = nearest(value, words) if isinstance(value, str) else None
    message = _refusal(value, accepted(spot.allowed), suggestion)
    return _Finding(spot.trail, document.value_place(spot.trail).fault(spot.trail, message))


def _refusal(value: object, wanted: str, suggestion: str | None) -> str:
    message = say("got {found}, want {wanted}", found=found(value), wanted=wanted)
    return say("{message}. Did you mean '{suggestion}'?", message=message, suggestion=suggestion) if suggestion else message


def _homes_of(root: type[Section], key: str) -> str:
    """Name the sections that do have a key, such as `data (kind: files, hub)`. Empty if none has."""
    kinds: dict[Trail, list[str]] = {}
    for name, trail, kind in _homes(root, ()):
        if name == key:
            kinds.setdefault(trail, []).extend([kind] if kind else [])
    places = {trail: dotted(trail) or say("the top level") for trail in kinds}
    return ", ".join(f"{places[trail]} (kind: {', '.join(names)})" if names else places[trail] for trail, names in kinds.items())


def _homes(annotation: object, trail: Trail) -> Iterator[tuple[str, Trail, str | None]]:
    for choice in choices(annotation):
        if choice.item is not None:
            yield from _homes(choice.item, trail)
        if choice.section is None:
            continue
        for name, inner in fields(choice.section).items():
            if name != "kind":
                yield name, trail, kind_of(choice.section)
                yield from _homes(inner, (*trail, name))
