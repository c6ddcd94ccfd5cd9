"""The schema for editors, and the reference recipe."""

import re
from pathlib import Path

import pytest

from smelt.recipe.load import load
from smelt.recipe.recipe import Recipe
from smelt.recipe.schema import json_schema, reference

_REFERENCE = Path(__file__).parents[2] / "docs" / "reference.yaml"


def test_the_reference_in_the_docs_is_up_to_date():
    assert _REFERENCE.read_text(encoding="utf-8") == reference()


def test_the_reference_loads_and_holds_the_defaults():
    recipe = load(_REFERENCE)
    small = load(_REFERENCE, ["train={}"])
    assert recipe == small
    assert recipe.compress == type(recipe.compress)()


def test_the_sections_stand_in_their_order():
    assert re.findall(r"^(\w+):", reference(), re.MULTILINE) == list(Recipe.model_fields)


def _alternatives() -> list[str]:
    """Cut out the blocks that are commented out: `# data:` and what is indented below it."""
    return re.findall(r"^ *# \w+:\n(?: *#  .*\n)+", reference(), re.MULTILINE)


def test_every_choice_is_shown():
    kinds = re.findall(r"kind: (\S+)", reference())
    schema = json_schema()["$defs"]
    assert set(kinds) == {each["properties"]["kind"]["const"] for each in schema.values() if "kind" in each["properties"]}


@pytest.mark.parametrize("block", _alternatives(), ids=lambda block: (re.search(r"kind: (\S+)", block) or re.search(r"(\w+):", block))[1])
def test_each_choice_loads_once_it_is_uncommented(tmp_path, block):
    indent = re.match(r" *", block)[0]
    live = "".join(f"{indent}{line[len(indent) + 2 :]}\n" for line in block.splitlines())
    name = re.match(r" *(\w+):", live)[1]
    other = re.compile(rf"^{indent}{name}:.*\n(?:{indent} +.*\n)*", re.MULTILINE)
    path = tmp_path / "recipe.yaml"
    path.write_text(other.sub(lambda _: live, reference(), count=1), encoding="utf-8")
    assert "kind" in str(load(path))
    assert live in path.read_text(encoding="utf-8")


def test_every_documented_field_explains_itself_in_the_schema():
    properties = json_schema()["$defs"]["Verify"]["properties"]
    assert properties["margin_points"]["description"] == "Percentage points of accuracy that may be lost at most."


def test_a_section_of_several_kinds_needs_its_kind_in_the_schema():
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["$defs"]["Depth"]["required"] == ["kind", "layers"]
    assert schema["additionalProperties"] is False
