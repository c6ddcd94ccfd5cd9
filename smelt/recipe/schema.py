"""What a recipe may say, for editors (JSON Schema) and for readers (a reference recipe with every key)."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.fields import FieldInfo

from smelt.recipe.recipe import Recipe
from smelt.recipe.section import Section
from smelt.recipe.shape import choices, fields, sections
from smelt.recipe.write import written

_WIDTH = 120
_HEAD = """\
# Shows every section, every key with its default, and every choice: the first one live, the others commented out.
# Costs what `budget_minutes` says. Copy what you need: all sections but `data` and `task` may be left out.
# Score to expect: depends on the data; `smelt check recipe.yaml` tells what can be certified.
# Command: smelt schema --reference
"""


def json_schema() -> dict[str, Any]:
    """Return the recipe's JSON Schema, draft 2020-12, with the docstrings as descriptions."""
    schema = Recipe.model_json_schema()
    for definition in schema["$defs"].values():
        if "kind" in definition["properties"]:
            definition["required"] = ["kind", *(name for name in definition.get("required", []) if name != "kind")]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def reference() -> str:
    """Return a recipe that shows everything, and loads."""
    blocks = [_HEAD]
    for name, annotation in fields(Recipe).items():
        blocks.append("\n".join(_field(Recipe.model_fields[name], name, annotation)) + "\n")
    return "\n".join(blocks)


def _field(field: FieldInfo, name: str, annotation: object) -> Iterator[str]:
    yield from _comment(field.description)
    off = field.default == "none"
    if off and sections(annotation):
        yield f"{name}: none"
    for number, section in enumerate(sections(annotation)):
        block = [f"{name}:", *_indented(_body(section))]
        yield from _comment(f"Or: {section.__doc__}" if number or off else section.__doc__)
        yield from _disabled(block) if number or off else block
    if sections(annotation):
        return
    default = _example(field, annotation) if field.is_required() else field.default
    yield f"{name}: {written(default)}{_words(annotation)}"
    entries = [section for choice in choices(annotation) for section in sections(choice.item)]
    if entries:
        yield from _disabled([f"{name}:", *_indented(line for section in entries for line in _entry(section))])


def _body(section: type[Section]) -> Iterator[str]:
    for name, annotation in fields(section).items():
        yield from _field(section.model_fields[name], name, annotation)


def _entry(section: type[Section]) -> Iterator[str]:
    """A section as an entry of a list."""
    for number, line in enumerate([*_comment(section.__doc__), *_body(section)]):
        yield f"{'  ' if number else '- '}{line}"


def _example(field: FieldInfo, annotation: object) -> object:
    return field.examples[0] if field.examples else choices(annotation)[0].words[0]


def _words(annotation: object) -> str:
    words = [word for choice in choices(annotation) if choice.form is not bool for word in choice.words]
    return f"  # {' | '.join(words)}" if len(words) > 1 else ""


def _comment(text: str | None) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(" ".join((text or "").split()), _WIDTH))


def _disabled(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}" for line in lines)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
