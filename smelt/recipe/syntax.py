"""Say in a sentence what the YAML parser stumbled over, and point where a person would look."""

from typing import Protocol

from ruamel.yaml.error import MarkedYAMLError

from smelt.language import say


class Mark(Protocol):
    """A place that counts from 0."""

    line: int
    column: int


# For these the parser stops far behind the place where something was opened.
_OPENED = ("unexpected end of stream", "unexpected document separator", "expected ',' or", "could not find expected ':'")


def explain(error: MarkedYAMLError) -> tuple[Mark, str]:
    """Return the place to look at and what is wrong there."""
    problem, context = str(error.problem or ""), str(error.context or "")
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
    mark = marks[-1] if any(words in problem for words in _OPENED) else marks[0]
    return mark, _characters(problem, context) or _structure(problem) or say("this is not YAML ({problem})", problem=problem)


def _characters(problem: str, context: str) -> str:
    if "'\\t'" in problem:
        return say("a tab. Indent with spaces")
    if "cannot start any token" in problem:
        return say("a text that begins with @, ` or % has to be quoted")
    if "unexpected end of stream" in problem or "unexpected document separator" in problem:
        return say("a quote that is not closed")
    if any(word in context for word in ("anchor", "alias", "tag", "block scalar")):
        return say("a text that begins with one of & * ! | > has to be quoted")
    if "escape" in problem:
        return say("an unknown escape in a text. Use single quotes, or write \\\\ for \\")
    return ""


def _structure(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return say("a ':' where none can stand. Check the indentation, or quote the text if it holds ': '")
    if "sequence entries are not allowed" in problem:
        return say("a '-' where no list can begin. Put it on a line of its own")
    if "expected ',' or" in problem:
        return say("a bracket that is not closed, or a ',' missing inside")
    if "expected <block end>" in problem:
        return say("the indentation fits no line above")
    if "could not find expected ':'" in problem:
        return say("a key without ': ' and a value")
    if "expected the node content" in problem:
        return say("a value is missing here")
    return ""
