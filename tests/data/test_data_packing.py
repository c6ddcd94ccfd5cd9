from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.data.packing import best_fit, one_each


def rows_of(order, starts):
    return [order[begin:end].tolist() for begin, end in pairwise(starts)]


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size), max_size=60))))
def test_every_piece_stands_in_one_row_and_no_row_is_too_long(case):
    size, lengths = case
    order, starts = best_fit(np.array(lengths, np.int64), size)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    rows = rows_of(order, starts)
    assert all(rows) or not lengths
    assert all(sum(lengths[piece] for piece in row) <= size for row in rows)


@given(st.lists(st.integers(1, 16), min_size=1, max_size=60))
def test_two_rows_that_would_fit_into_one_are_never_left(lengths):
    order, starts = best_fit(np.array(lengths), 16)
    sums = sorted(sum(lengths[piece] for piece in row) for row in rows_of(order, starts))
    assert len(sums) == 1 or sums[0] + sums[1] > 16


def test_a_piece_goes_into_the_fullest_row_that_has_room():
    # 6 and 5 open two rows of 8; 2 goes to the 6, 3 to the 5; 1 opens none as nothing is full before.
    order, starts = best_fit(np.array([2, 5, 6, 3, 1]), 9)
    assert rows_of(order, starts) == [[2, 3], [0, 1, 4]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a piece of 5 does not fit into rows of 4"):
        best_fit(np.array([1, 5]), 4)


def test_one_piece_per_row():
    assert rows_of(*one_each(3)) == [[0], [1], [2]]
