from itertools import pairwise

import numpy as np
import pytest
import torch

from smelt.recipe.train import Augment, Train
from smelt.tasks.tokens import ragged
from smelt.train.loader import epoch_batches, load, score_batches
from smelt.train.rows import Rows

SHAPE = Train(batch_tokens=24, batch_examples=5)
CALM = Augment()


def numbers_of(batches):
    return [batch.tolist() for batch in batches]


def long_rows(count=40, length=60):
    """Documents whose tokens tell document and place: 1000 times the number plus the place."""
    documents = [[1000 * number + place for place in range(length + number % 3)] for number in range(count)]
    return Rows(ragged(documents), np.zeros(count, np.int64))


def noisy(rows, seed=(0, 0, 0), **shares):
    """Each document after noise, without padding."""
    batch = load(rows, np.arange(len(rows)), Augment(**shares), seed)
    return [ids[mask.bool()].tolist() for ids, mask in zip(batch.ids_BS, batch.mask_BS, strict=True)]


def test_an_epoch_has_every_row_once(make_rows):
    batches = epoch_batches(make_rows(23), SHAPE, 0, 0)
    assert sorted(number for batch in numbers_of(batches) for number in batch) == list(range(23))


def test_batches_keep_to_both_limits(make_rows):
    rows = make_rows(23)
    batches = epoch_batches(rows, SHAPE, 0, 0)
    assert max(len(batch) for batch in batches) <= 5
    assert max(len(batch) * rows.lengths[batch].max() for batch in batches) <= 24


def test_equal_seed_and_epoch_give_equal_batches(make_rows):
    rows = make_rows(23)
    first = numbers_of(epoch_batches(rows, SHAPE, 6, 2))
    np.random.default_rng(9).random(5)
    torch.manual_seed(99)
    assert numbers_of(epoch_batches(rows, SHAPE, 6, 2)) == first


@pytest.mark.parametrize(("seed", "epoch"), [(6, 3), (7, 2)])
def test_another_epoch_or_seed_gives_another_order(make_rows, seed, epoch):
    rows = make_rows(23)
    assert numbers_of(epoch_batches(rows, SHAPE, seed, epoch)) != numbers_of(epoch_batches(rows, SHAPE, 6, 2))


def test_a_batch_is_padded_and_brings_labels_and_row_numbers():
    rows = Rows(ragged([[5], [6, 7, 8], [9, 4]]), np.array([2, 0, 1]))
    batch = load(rows, np.array([1, 0]), CALM, (0, 0, 0))
    assert (batch.ids_BS.tolist(), batch.mask_BS.tolist()) == ([[6, 7, 8], [5, 0, 0]], [[1, 1, 1], [1, 0, 0]])
    assert (batch.targets.tolist(), batch.rows.tolist(), int(batch.mask_BS.sum())) == ([0, 2], [1, 0], 4)


def test_without_noise_the_seed_counts_for_nothing(make_rows):
    rows = make_rows(4)
    first, second = (load(rows, np.arange(4), CALM, (0, 0, number)).ids_BS for number in (0, 1))
    assert torch.equal(first, second)


@pytest.mark.parametrize("shares", [{"drop_words": 0.9}, {"swap_words": 0.9}, {"drop_words": 0.5, "swap_words": 0.5}])
def test_the_first_and_the_last_token_stay(shares):
    rows = long_rows()
    for number, document in enumerate(noisy(rows, **shares)):
        assert (document[0], document[-1]) == (1000 * number, 1000 * number + rows.lengths[number] - 1)


def test_documents_of_up_to_two_tokens_have_nothing_to_lose():
    rows = Rows(ragged([[7], [8, 9], [], [3]]), np.zeros(4, np.int64))
    assert noisy(rows, drop_words=0.99, swap_words=0.99) == [[7], [8, 9], [], [3]]


def test_noise_on_empty_documents_alone_is_nothing():
    rows = Rows(ragged([[], []]), np.zeros(2, np.int64))
    assert noisy(rows, drop_words=0.5, swap_words=0.5) == [[], []]


def test_the_share_of_dropped_tokens_is_the_one_asked_for():
    rows = long_rows()
    inner = int(rows.lengths.sum()) - 2 * len(rows)
    kept = sum(map(len, noisy(rows, drop_words=0.3))) - 2 * len(rows)
    deviation = (inner * 0.3 * 0.7) ** 0.5
    assert abs(inner - kept - 0.3 * inner) < 4 * deviation


def test_dropping_keeps_the_order():
    assert all(document == sorted(document) for document in noisy(long_rows(), drop_words=0.4))


def test_swapping_keeps_every_token_in_its_document():
    rows = long_rows()
    after = noisy(rows, swap_words=0.5)
    assert [sorted(document) for document in after] == [rows.take([number]).ids.tolist() for number in range(len(rows))]


def test_the_share_of_swapped_neighbors_is_the_one_asked_for():
    documents = noisy(long_rows(), swap_words=0.1)
    falls = sum(left > right for document in documents for left, right in pairwise(document))
    pairs = sum(len(document) - 3 for document in documents)
    # Two swaps of pairs that overlap leave one fall, and so do more of them: a little fewer falls than swaps.
    assert 0.07 < falls / pairs < 0.12


def test_the_same_seed_makes_the_same_noise_and_another_batch_another():
    rows = long_rows()
    first = noisy(rows, (1, 2, 3), drop_words=0.3, swap_words=0.3)
    assert noisy(rows, (1, 2, 3), drop_words=0.3, swap_words=0.3) == first
    assert noisy(rows, (1, 2, 4), drop_words=0.3, swap_words=0.3) != first


def test_noise_leaves_the_rows_as_they_are():
    rows = long_rows(count=3)
    before = rows.arrays.ids.copy()
    noisy(rows, drop_words=0.5, swap_words=0.5)
    assert (rows.arrays.ids == before).all()


def test_batches_for_scoring_have_every_row_once_by_length(make_rows):
    rows = make_rows(23)
    order = np.concatenate(score_batches(rows, SHAPE))
    assert sorted(order.tolist()) == list(range(23))
    assert rows.lengths[order].tolist() == sorted(rows.lengths)
