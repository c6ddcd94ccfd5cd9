import numpy as np
import pytest

from smelt.tasks.tokens import ragged
from smelt.train import rows as rows_module
from smelt.train.rows import Rows, encode_rows, join_rows

TEXTS = ["rate cut", "", "bond", "a b c d", "", "rate rate rate"] * 7


def encode(texts):
    """One number per word: its length."""
    return ragged([[len(word) for word in text.split()] for text in texts])


@pytest.fixture
def labels():
    return np.arange(len(TEXTS)) % 3


def encoded(texts, labels, path):
    return encode_rows(lambda part: texts[part], labels, encode, path)


def test_a_split_that_is_encoded_again_leaves_alone_who_reads_it(tmp_path):
    before = encode_rows(lambda part: ["a bb", "ccc"][part], np.array([0, 1]), encode, tmp_path / "rows.ids")
    encode_rows(lambda part: ["dddd"][part], np.array([0]), encode, tmp_path / "rows.ids")
    assert before.arrays.ids.tolist() == [1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.ids", "rows.ids.lengths"]


def test_encoded_rows_are_those_of_a_loop(tmp_path, labels):
    rows = encoded(TEXTS, labels, tmp_path / "deep" / "rows.ids")
    found = [rows.take([number]).ids.tolist() for number in range(len(rows))]
    assert found == [encode([text]).ids.tolist() for text in TEXTS]


def test_more_rows_than_a_chunk_are_encoded_in_slices_that_meet(tmp_path):
    count = 2 * rows_module._CHUNK + 3
    asked = []

    def texts(part):
        asked.append((part.start, part.stop))
        return ["word"] * (part.stop - part.start)

    rows = encode_rows(texts, np.zeros(count, np.int64), encode, tmp_path / "rows.ids")
    assert asked == [(0, 8192), (8192, 16384), (16384, count)]
    assert (len(rows), rows.arrays.offsets[-1], set(rows.lengths)) == (count, count, {1})


def test_token_numbers_stay_on_disk(tmp_path, labels):
    rows = encoded(TEXTS, labels, tmp_path / "rows.ids")
    assert isinstance(rows.arrays.ids, np.memmap)
    assert (tmp_path / "rows.ids").stat().st_size == 4 * rows.arrays.offsets[-1]


def test_taken_rows_are_in_memory_and_in_the_order_asked(tmp_path, labels):
    rows = encoded(TEXTS, labels, tmp_path / "rows.ids")
    taken = rows.take([5, 1, 0])
    assert (taken.ids.tolist(), taken.offsets.tolist()) == ([4, 4, 4, 4, 3], [0, 3, 3, 5])
    assert not isinstance(taken.ids, np.memmap)


def test_lengths_count_tokens_and_are_0_for_empty_documents(tmp_path, labels):
    assert encoded(TEXTS, labels, tmp_path / "rows.ids").lengths[:6].tolist() == [2, 0, 1, 4, 0, 3]


@pytest.mark.parametrize("texts", [[], ["", ""]], ids=["no rows", "empty rows"])
def test_rows_without_any_token_can_be_encoded(tmp_path, texts):
    rows = encoded(texts, np.zeros(len(texts), np.int64), tmp_path / "rows.ids")
    assert (len(rows), rows.lengths.tolist(), rows.take(range(len(texts))).ids.tolist()) == (len(texts), [0] * len(texts), [])


def test_joined_rows_are_the_first_and_then_the_second(tmp_path):
    first, second = ragged([[3, 1], [], [4]]), ragged([[1, 5, 9], [2]])
    joined = join_rows(Rows(first, np.array([0, 1, 2])), Rows(second, np.array([2, 0])))
    assert [joined.take([number]).ids.tolist() for number in range(5)] == [[3, 1], [], [4], [1, 5, 9], [2]]
    assert joined.labels.tolist() == [0, 1, 2, 2, 0]
