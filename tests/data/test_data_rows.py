"""What a row must be."""

import pytest

from smelt.data.rows import MAX_CHARACTERS, Record, Reject, check_row, cjk_characters, excerpt, label_name, missing_column


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        (None, "a", "no text"),
        ("", "a", "empty text"),
        (" \t\n", "a", "empty text"),
        (7, "a", "of type int"),
        (["x"], "a", "of type list"),
        ("x\0y", "a", "NUL"),
        ("x\ud800", "a", "surrogate"),
        ("x" * (MAX_CHARACTERS + 1), "a", "1,000,001 characters"),
        ("x", None, "no label"),
        ("x", " ", "no label"),
        ("x", float("nan"), "no label"),
        ("x", float("inf"), "the label is inf"),
        ("x", ["a"], "the label is"),
        ("x", "a\0", "NUL"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(text, label, reason):
    row = check_row("f.csv", "f-1", Record(7, [text, label]))
    assert isinstance(row, Reject)
    assert reason in row.reason
    assert (row.file, row.line) == ("f.csv", 7)


def test_the_longest_text_is_let_through():
    text = "x" * MAX_CHARACTERS
    assert check_row("f", "f-1", Record(1, [text, "a"])).text == text


@pytest.mark.parametrize(("label", "name"), [(3, "3"), (True, "true"), (False, "false"), (" a ", "a"), ("1.0", "1.0")])
def test_labels_become_strings(label, name):
    assert check_row("f", "f-1", Record(1, ["x", label])).label == name


def test_floats_are_called_whole_only_if_all_are():
    assert label_name(1.0, whole=True) == "1"
    assert label_name(1.0, whole=False) == "1.0"


def test_cjk_characters_are_counted_without_their_punctuation():
    assert cjk_characters("央行 cut，かな 한 𠀀 é") == 6


def test_an_excerpt_is_short_and_harmless_in_a_terminal():
    assert excerpt("a\x1b[31mb\nc\ud800") == "a\ufffd[31mb c\ufffd"
    assert len(excerpt("x" * 5000)) == 120


def test_an_excerpt_of_something_endlessly_nested_is_its_type():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert excerpt(nested) == "list"


def test_a_missing_column_suggests_a_near_one():
    fault = missing_column("f.csv", "Labell", ["id", "LABEL", "text"], "step")
    assert "no column 'Labell'. Columns: id, LABEL, text. Did you mean 'LABEL'?" in str(fault)
