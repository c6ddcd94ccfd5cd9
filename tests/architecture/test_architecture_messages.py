"""Messages for people: literal templates that parse, and translations that keep every placeholder."""

import ast
import json
from pathlib import Path
from string import Formatter

ROOT = Path(__file__).resolve().parents[2]


def calls_of_say():
    for path in sorted((ROOT / "smelt").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                yield path.relative_to(ROOT).as_posix(), node


def placeholders(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def template_of(call):
    return call.args[0].value


CALLS = {f"{place}:{call.lineno}:{call.col_offset}": call for place, call in calls_of_say()}
LITERAL = {
    place: call
    for place, call in CALLS.items()
    if len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
}
TEMPLATES = {template_of(call) for call in LITERAL.values()}
CATALOG = json.loads((ROOT / "smelt" / "catalogs" / "zh.json").read_text(encoding="utf-8"))


def test_messages_are_found():
    assert len(CALLS) > 100


def test_every_message_is_one_literal_template():
    assert sorted(set(CALLS) - set(LITERAL)) == []


def test_every_message_is_given_what_its_template_names():
    given = {place: {keyword.arg for keyword in call.keywords} for place, call in LITERAL.items()}
    assert [place for place, call in LITERAL.items() if None not in given[place] and given[place] != placeholders(template_of(call))] == []


def test_every_translation_keeps_the_placeholders():
    assert [template for template, translation in CATALOG.items() if placeholders(translation) != placeholders(template)] == []


def test_every_translation_belongs_to_a_message():
    assert sorted(set(CATALOG) - TEMPLATES) == []


def test_every_message_has_a_chinese_translation():
    assert sorted(TEMPLATES - set(CATALOG)) == []
