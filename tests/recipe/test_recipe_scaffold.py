"""The recipe that `smelt init` writes loads, is short, and fits the data."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.recipe.document import read_document
from smelt.recipe.faults import check
from smelt.recipe.recipe import Recipe
from smelt.recipe.scaffold import DataFacts, run_name, scaffold

_ENGLISH = DataFacts(
    path="reviews.csv", text="review", label="stars", rows=20_000, labels=5,
    characters_p50=80, characters_p95=300, cjk_share=0.0, english=True,
)  # fmt: skip
_CHINESE = replace(_ENGLISH, cjk_share=0.9, english=False, characters_p95=40)


def _recipe(facts: DataFacts) -> Recipe:
    return check(Recipe, read_document(scaffold(facts, name="a", recipe="a/recipe.yaml").encode(), "r.yaml"))


def test_english_texts_get_the_built_in_encoder():
    model = _recipe(_ENGLISH).model
    assert (model.kind, model.weights) == ("transformer", "all-MiniLM-L6-v2")


def test_chinese_texts_get_an_encoder_of_their_own_and_the_reason():
    model = _recipe(_CHINESE).model
    assert (model.kind, model.layers, model.dim) == ("transformer-scratch", 4, 256)
    assert "reads English only" in scaffold(_CHINESE, name="a", recipe="r.yaml")


@pytest.mark.parametrize(
    ("facts", "characters", "tokens"),
    [
        (_ENGLISH, 300, 96),  # 300 / 4 * 1.1 = 82.5
        (_ENGLISH, 10, 32),
        (_ENGLISH, 9_999, 256),
        (_CHINESE, 64, 64),
        (_CHINESE, 65, 96),
        (_CHINESE, 9_999, 256),
        (_CHINESE, 0, 32),
    ],
)
def test_max_tokens_holds_95_of_100_texts(facts, characters, tokens):
    assert _recipe(replace(facts, characters_p95=characters)).model.max_tokens == tokens


def test_where_most_texts_are_longer_than_what_is_read_windows_are_named():
    assert "windows: {}" in scaffold(replace(_ENGLISH, characters_p50=1_200, characters_p95=3_000), name="a", recipe="r.yaml")
    assert "windows" not in scaffold(replace(_ENGLISH, characters_p50=900, characters_p95=3_000), name="a", recipe="r.yaml")


def test_a_model_that_is_brought_along_reads_as_much_as_it_says():
    brought = replace(_ENGLISH, weights="bert", characters_p95=100)
    assert _recipe(replace(brought, reads=512)).model.max_tokens == 512
    assert _recipe(brought).model.max_tokens == 32


def test_splits_that_exist_are_named_and_others_carved():
    splits = _recipe(replace(_ENGLISH, train="train", confirm="test")).data.splits
    assert (splits.train, splits.dev, splits.confirm) == ("train", 0.1, "test")


def test_few_rows_are_explained():
    assert "about 100 rows" in scaffold(replace(_ENGLISH, rows=500), name="a", recipe="r.yaml")
    assert "few for a margin" not in scaffold(_ENGLISH, name="a", recipe="r.yaml")


def test_it_is_short_and_begins_with_four_comment_lines():
    lines = scaffold(_CHINESE, name="a", recipe="a/recipe.yaml").splitlines()
    assert len(lines) <= 30
    assert [line.startswith("#") for line in lines[:5]] == [True] * 4 + [False]
    assert lines[3] == "# Command: smelt run a/recipe.yaml"


def test_its_choices_are_the_defaults_it_says():
    recipe = _recipe(_ENGLISH)
    assert (recipe.budget_minutes, recipe.verify.margin_points, recipe.train.epochs) == (45.0, 1.0, "auto")


_TEXTS = st.text(min_size=1, max_size=12)


@given(path=_TEXTS, text=_TEXTS, label=_TEXTS, recipe=st.text(max_size=12))
def test_any_names_of_files_and_columns_survive(path, text, label, recipe):
    facts = replace(_ENGLISH, path=path, text=text, label=label)
    data = check(Recipe, read_document(scaffold(facts, name="a", recipe=recipe).encode(), "r.yaml")).data
    assert (data.path, data.text, data.label) == (path, text, label)


@given(st.text(max_size=80))
def test_any_folder_name_gives_a_run_name(text):
    facts = replace(_ENGLISH, path="x")
    recipe = check(Recipe, read_document(scaffold(facts, name=run_name(text), recipe="r").encode(), "r.yaml"))
    assert recipe.name == run_name(text)


def test_a_run_name_keeps_what_it_can():
    assert (run_name("My Task_2"), run_name("情感"), run_name("../x")) == ("my-task_2", "run", "x")
