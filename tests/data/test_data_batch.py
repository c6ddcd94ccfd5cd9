"""Every example once, little padding, equal for equal seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.data.batch import token_batches

lengths_strategy = st.lists(st.integers(0, 60), max_size=150)
seeds = st.one_of(st.none(), st.tuples(st.integers(0, 5), st.integers(0, 5)))


@given(lengths_strategy, st.integers(1, 100), st.integers(1, 9), seeds)
def test_every_example_is_in_exactly_one_batch(lengths, tokens, examples, seed):
    batches = token_batches(lengths, tokens, examples, seed)
    assert sorted(number for batch in batches for number in batch.tolist()) == list(range(len(lengths)))


@given(lengths_strategy, st.integers(1, 100), st.integers(1, 9), seeds)
def test_no_batch_is_over_its_limits_but_a_long_example_alone(lengths, tokens, examples, seed):
    for batch in token_batches(lengths, tokens, examples, seed):
        assert 1 <= len(batch) <= examples
        assert len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= tokens


def test_without_a_seed_lengths_rise():
    assert [batch.tolist() for batch in token_batches([3, 1, 2, 9, 1], 6, 2, None)] == [[1, 4], [2, 0], [3]]


def test_equal_seeds_give_equal_batches_and_other_epochs_other_ones():
    lengths = np.arange(300) % 17
    first, again, other = ([batch.tolist() for batch in token_batches(lengths, 64, 8, seed)] for seed in ((1, 0), (1, 0), (1, 1)))
    assert first == again
    assert first != other


def test_seeded_batches_come_in_no_order_of_length():
    widths = [max(batch) for batch in token_batches(np.arange(400), 4000, 8, 3)]
    assert widths != sorted(widths)


def test_most_of_a_seeded_batch_is_no_padding():
    lengths = np.random.Generator(np.random.PCG64(5)).integers(1, 200, 3000)
    batches = token_batches(lengths, 2048, 64, 1)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / padded > 0.95


def test_no_examples_give_no_batches():
    assert token_batches([], 8, 2, 1) == []


@pytest.mark.parametrize(("tokens", "examples"), [(0, 1), (1, 0)])
def test_a_limit_below_one_is_refused(tokens, examples):
    with pytest.raises(ValueError, match="must be at least 1"):
        token_batches([1, 2], tokens, examples, None)
