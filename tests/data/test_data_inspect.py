"""What is found in data that nobody described."""

import numpy as np
import pytest

from smelt.data.inspect import inspect
from smelt.errors import DataFault


def test_columns_with_telling_names_are_taken(tmp_path, write_csv):
    rows = [(number, "a much longer remark than the text itself is", f"text {number}", "ab"[number % 2]) for number in range(9)]
    found = inspect(write_csv(tmp_path / "a.csv", rows, header=("id", "remark", "Text", "Intent")))
    assert (found.text, found.label) == ("Text", "Intent")


def test_chinese_names_are_telling_too(tmp_path):
    (tmp_path / "a.csv").write_bytes("编号,内容,标签\n1,央行降息了,利率\n2,股市上涨了,股票\n".encode("gb18030"))
    found = inspect(tmp_path / "a.csv")
    assert (found.text, found.label, found.encoding) == ("内容", "标签", "gb18030")
    assert found.cjk_share == 1.0


def test_else_the_longest_strings_are_text_and_few_values_are_labels(tmp_path, write_csv):
    rows = [(number, f"some words about {number}", "xyz"[number % 3]) for number in range(12)]
    found = inspect(write_csv(tmp_path / "a.csv", rows, header=("p", "q", "r")))
    assert (found.text, found.label) == ("q", "r")


def test_two_columns_of_like_length_are_a_question(tmp_path, write_csv):
    path = write_csv(tmp_path / "a.csv", [("the first words", "the other words", "a")], header=("one", "two", "label"))
    with pytest.raises(DataFault, match=r"which column holds the documents\? Columns: one, two, label.\n  Name the column with --text."):
        inspect(path)
    assert inspect(path, text="two").text == "two"


def test_two_columns_of_few_values_are_a_question(tmp_path, write_csv):
    path = write_csv(tmp_path / "a.csv", [(f"words {number}", number % 2, number % 3) for number in range(12)], header=("text", "p", "q"))
    with pytest.raises(DataFault, match=r"which column holds the labels\? .*\n  Name the column with --label."):
        inspect(path)
    assert inspect(path, label="q").labels == {"0": 4, "1": 4, "2": 4}


def test_a_column_that_was_named_must_exist(tmp_path, write_csv):
    with pytest.raises(DataFault, match=r"no column 'lable'.*Did you mean 'label'"):
        inspect(write_csv(tmp_path / "a.csv", [("one", "a")]), label="lable")


def test_lengths_and_labels_are_of_all_rows(tmp_path, write_csv):
    lengths = [(7 * number) % 50 + 1 + number // 40 for number in range(3000)]
    found = inspect(write_csv(tmp_path / "a.csv", [("x" * length, "abc"[length % 3]) for length in lengths]))
    assert (found.rows, found.characters_max) == (3000, max(lengths))
    assert (found.characters_p50, found.characters_p95) == tuple(int(share) for share in np.percentile(lengths, [50, 95]))
    assert found.labels == {name: sum("abc"[length % 3] == name for length in lengths) for name in "abc"}


def test_bad_rows_are_counted(tmp_path, write_csv):
    found = inspect(write_csv(tmp_path / "a.csv", [("one", "a"), ("", "b"), ("three",), ("four", "b")]))
    assert (found.rows, found.bad_rows) == (2, 2)


def test_a_file_without_good_rows_is_a_fault(tmp_path, write_csv):
    with pytest.raises(DataFault, match="no row of 2 can be used: empty text"):
        inspect(write_csv(tmp_path / "a.csv", [("", "a"), ("", "b")]))


def test_splits_of_a_folder_are_found(tmp_path, write_csv, rows_of):
    for name in ("train", "val", "test"):
        write_csv(tmp_path / f"{name}.csv", rows_of(4))
    found = inspect(tmp_path)
    assert (found.train, found.dev, found.confirm) == ("train", "val", "test")


def test_a_single_file_has_no_splits(tmp_path, write_csv, rows_of):
    found = inspect(write_csv(tmp_path / "a.csv", rows_of(4)))
    assert (found.train, found.dev, found.confirm) == (None, None, None)


def test_the_only_file_of_a_folder_is_train(tmp_path, write_csv, rows_of):
    write_csv(tmp_path / "reviews.csv", rows_of(4))
    assert inspect(tmp_path).train == "reviews"


def test_a_column_of_ids_is_no_label(tmp_path, write_csv):
    path = write_csv(tmp_path / "a.csv", [(f"words {number}", number) for number in range(10_001)])
    with pytest.raises(DataFault, match="column 'label' has more than 10,000 different values"):
        inspect(path)


def test_a_file_that_is_sorted_by_its_labels_is_looked_at_beyond_the_first_of_them(tmp_path, write_csv):
    rows = [(f"words about {number}", "ab"[number >= 6_000], number) for number in range(12_000)]
    found = inspect(write_csv(tmp_path / "a.csv", rows, header=("words", "verdict", "number")))
    assert found.label == "verdict"


def test_a_test_file_without_labels_is_not_used_and_named(tmp_path, write_csv, rows_of):
    write_csv(tmp_path / "train.csv", rows_of(4))
    write_csv(tmp_path / "dev.csv", rows_of(4))
    write_csv(tmp_path / "test.csv", [(f"text {number}", -1) for number in range(4)])
    found = inspect(tmp_path)
    assert (found.dev, found.confirm, found.unlabelled) == ("dev", None, ("test.csv",))
    write_csv(tmp_path / "test.csv", [(f"text {number}", number) for number in range(4)], header=("text", "index"))
    assert inspect(tmp_path).unlabelled == ("test.csv",)
    write_csv(tmp_path / "test.csv", rows_of(4)[:1])  # one label alone, but one that train knows
    assert inspect(tmp_path).unlabelled == ()


@pytest.mark.parametrize(
    ("text", "share"), [("plain English, café", 0.0), ("Москва слезам не верит", 0.86), ("ราคาดีมาก", 1.0), ("央行降息了", 1.0)]
)
def test_characters_of_other_alphabets_are_counted(tmp_path, write_csv, text, share):
    assert inspect(write_csv(tmp_path / "a.csv", [(text, "a")])).other_share == pytest.approx(share, abs=0.01)
