"""The nearest word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.recipe.suggest import distance, nearest, own_word

_KEYS = ("epochs", "max_epochs", "batch_tokens", "batch_examples", "seed")


@pytest.mark.parametrize(
    ("first", "second", "letters"),
    [("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("epohcs", "epochs", 1), ("ca", "abc", 3), ("same", "same", 0)],
)
def test_distance_equals_worked_examples(first, second, letters):
    assert distance(first, second) == letters


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_symmetric_and_bounded_by_the_longer_word(first, second):
    assert distance(first, second) == distance(second, first) <= max(len(first), len(second))


@pytest.mark.parametrize(("word", "meant"), [("epohs", "epochs"), ("EPOCHS", "epochs"), ("batch-tokens", "batch_tokens"), ("sede", "seed")])
def test_slips_case_and_hyphens_are_seen_through(word, meant):
    assert nearest(word, _KEYS) == meant


@pytest.mark.parametrize("word", ["temperature", "x", "_", ""])
def test_nothing_near_gives_none(word):
    assert nearest(word, _KEYS) is None


def test_no_candidates_give_none():
    assert nearest("epochs", ()) is None


def test_the_names_of_other_tools_lead_to_ours():
    assert nearest("batch_sise", _KEYS) == "batch_examples"
    assert own_word("LR") == "learning_rate"
