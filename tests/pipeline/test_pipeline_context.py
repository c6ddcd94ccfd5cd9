import pytest

from smelt.pipeline.context import Context, Watcher, resolve_paths
from smelt.recipe.load import from_dict
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder

FILES = {"kind": "files", "path": "rows.csv", "text": "body"}
DOCSTRINGS = {"kind": "docstrings", "packages": ["scipy", "torch"]}


def recipe(data=FILES, model=None):
    return from_dict({"data": data, "task": {"kind": "classify"}} | ({"model": model} if model else {}))


def test_the_data_of_a_recipe_is_relative_to_its_folder(tmp_path):
    assert resolve_paths(recipe(), tmp_path / "deep").data.path == str(tmp_path / "deep" / "rows.csv")


def test_a_path_upwards_is_followed(tmp_path):
    assert resolve_paths(recipe(FILES | {"path": "../rows"}), tmp_path / "deep").data.path == str(tmp_path / "rows")


def test_an_absolute_path_stays(tmp_path):
    assert resolve_paths(recipe(FILES | {"path": "/data/rows.csv"}), tmp_path).data.path == "/data/rows.csv"


def test_weights_in_a_folder_beside_the_recipe_are_taken_from_there(tmp_path):
    (tmp_path / "encoder").mkdir()
    found = resolve_paths(recipe(model={"kind": "transformer", "weights": "encoder"}), tmp_path)
    assert found.model.weights == str(tmp_path / "encoder")


def test_weights_that_are_no_folder_stay_a_name(tmp_path):
    model = {"kind": "transformer", "weights": "someone/encoder"}
    assert resolve_paths(recipe(model=model), tmp_path).model.weights == "someone/encoder"


def test_nothing_else_of_the_recipe_changes(tmp_path):
    before = recipe()
    after = resolve_paths(before, tmp_path)
    changed = {name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)}
    assert changed == {"data"}


def test_data_without_a_path_stays_as_it_is(tmp_path):
    before = recipe(DOCSTRINGS)
    assert resolve_paths(before, tmp_path) == before


@pytest.mark.parametrize(("data", "want"), [(FILES, "body"), (DOCSTRINGS, "text")])
def test_the_text_column_is_the_recipes_or_text(tmp_path, data, want):
    context = Context(recipe=recipe(data), recipe_text="", command="", run=RunFolder(tmp_path, Disk()), watch=Watcher())
    assert context.text_column == want
