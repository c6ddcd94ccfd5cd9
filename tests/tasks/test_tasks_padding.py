import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.tasks.padding import pad, take
from smelt.tasks.tokens import ragged

batches = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=5)


@st.composite
def batch_and_rows(draw):
    batch = draw(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=5))
    return batch, draw(st.lists(st.integers(0, len(batch) - 1), max_size=7))


def rows_of(arrays):
    return [arrays.ids[start:end].tolist() for start, end in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]


@given(batch_and_rows())
def test_take_picks_rows_in_the_order_given(case):
    batch, rows = case
    taken = take(ragged(batch), np.array(rows, np.int64))
    assert rows_of(taken) == [batch[row] for row in rows]


def test_take_reads_a_plain_list_of_row_numbers():
    assert rows_of(take(ragged([[1, 2], [], [3]]), [2, 0])) == [[3], [1, 2]]


def test_take_keeps_the_types():
    taken = take(ragged([[1, 2], [3]]), [1])
    assert (taken.ids.dtype, taken.offsets.dtype) == (np.int32, np.int64)


def test_take_of_no_rows_is_an_empty_batch():
    assert len(take(ragged([[1, 2]]), [])) == 0


@given(batches)
def test_pad_is_what_a_loop_over_cells_gives(batch):
    ids, mask = pad(ragged(batch))
    width = max([1, *map(len, batch)])
    assert ids.shape == mask.shape == (len(batch), width)
    for row, tokens in enumerate(batch):
        for place in range(width):
            expected = (tokens[place], 1) if place < len(tokens) else (0, 0)
            assert (ids[row, place], mask[row, place]) == expected


def test_pad_gives_int64_rectangles():
    ids, mask = pad(ragged([[1], [2, 3]]))
    assert (ids.dtype, mask.dtype) == (np.int64, np.int64)


def test_a_batch_of_empty_documents_is_one_column_wide():
    assert pad(ragged([[], []]))[0].shape == (2, 1)


@pytest.mark.parametrize(("multiple", "most", "columns"), [(1, 0, 5), (8, 0, 5), (8, 64, 8), (8, 6, 6), (8, 3, 5), (5, 64, 5)])
def test_pad_goes_on_to_a_multiple_where_there_is_room(multiple, most, columns):
    ids, mask = pad(ragged([[3, 4, 5, 6, 7], [8]]), multiple, most)
    assert ids.shape == mask.shape == (2, columns)
    assert (ids[:, 5:].sum(), mask.sum()) == (0, 6)
