"""`--set a.b=c`: values from the command line, laid over a recipe."""

from smelt.errors import RecipeFaults
from smelt.language import say
from smelt.recipe.document import Document, Nothing, Place, Trail, parse


def override(document: Document, argument: str) -> None:
    """Lay one value over the document in place. Sections that do not exist are made; lists are entered by index from 0.

    Args:
        document: what has been read so far.
        argument: `path=value`, such as `train.epochs=3` or `compress.students.0.layers=2`. The value is YAML.

    Raises:
        RecipeFaults: there is no `=`, the value is not YAML, or the path leads nowhere. Their file is `--set ARGUMENT`.
    """
    file = f"--set {argument}"
    path, equals, text = argument.partition("=")
    if not equals or not all(map(str.strip, path.split("."))):
        fault = Place(file, 1, 1).fault((path or "--set",), say("want a path and a value, such as train.epochs=3"))
        raise RecipeFaults(document.file, [fault])
    value = parse(text, Place(file, 1, len(path) + 2))
    trail, column = (), 1
    *sections, last = path.split(".")
    for part in sections:
        trail = _enter(document, trail, part, Place(file, 1, column))
        column += len(part) + 1
    trail = _step(document, trail, last, Place(file, 1, column))
    document.put(trail, value.tree)
    document.keys[trail] = Place(file, 1, column)
    document.keys.update({(*trail, *below): place for below, place in value.keys.items()})
    document.values.update({(*trail, *below): place for below, place in value.values.items()})


def _enter(document: Document, trail: Trail, part: str, place: Place) -> Trail:
    """Go one section down; make the section where there is none."""
    trail = _step(document, trail, part, place)
    section = document.at(trail[:-1])
    if isinstance(section, dict) and section.get(trail[-1], Nothing.NOTHING) is Nothing.NOTHING:
        document.put(trail, {})
        document.keys.setdefault(trail, place)
        document.values.setdefault(trail, place)
    if not isinstance(document.at(trail), dict | list):
        raise RecipeFaults(document.file, [place.fault(trail, say("holds a single value, there is nothing below it"))])
    return trail


def _step(document: Document, trail: Trail, part: str, place: Place) -> Trail:
    part = part.strip()
    section = document.at(trail)
    if isinstance(section, dict):
        return (*trail, part)
    if not (part.isdecimal() and int(part) < len(section)):
        message = say("want the number of an entry, from 0 to {last}", last=len(section) - 1) if section else say("the list is empty")
        raise RecipeFaults(document.file, [place.fault((*trail, part), message)])
    return (*trail, int(part))
