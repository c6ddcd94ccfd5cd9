"""Noisy copies of six tiny documents: token 1 first, token 2 last."""

import numpy as np
import pytest
import torch

from smelt.compress.transfer import answered_rows, copies_of, nearest_tokens, texts_sha256, transfer_rows
from smelt.recipe.compress import Transfer
from smelt.tasks.tokens import ragged
from smelt.train.rows import Rows

DOCUMENTS = [[1, 3, 4, 5, 2], [1, 6, 2], [1, 7, 8, 9, 3, 4, 2], [1, 2], [1, 5, 5, 5, 5, 5, 2], [1, 8, 2]]
ROWS = Rows(ragged(DOCUMENTS), np.array([0, 1, 2, 0, 1, 2]))
NONE = ragged([])
EMBEDDING = torch.from_numpy(np.random.default_rng(0).normal(size=(17, 6)).astype(np.float32))


def documents(rows):
    return [rows.arrays.ids[a:b].tolist() for a, b in zip(rows.arrays.offsets, rows.arrays.offsets[1:], strict=False)]


def copies(**section):
    whole = documents(transfer_rows(ROWS, NONE, Transfer(**section), EMBEDDING, seed=4))
    return [whole[start : start + 6] for start in range(0, len(whole), 6)]


def test_the_nearest_tokens_are_those_of_a_loop():
    unit = EMBEDDING.numpy() / np.linalg.norm(EMBEDDING.numpy(), axis=1, keepdims=True)
    used = np.array([3, 9, 16])
    want = [[other for other in np.argsort(-(unit @ unit[token])) if other != token][:10] for token in used]
    np.testing.assert_array_equal(nearest_tokens(EMBEDDING, used), want)


def test_train_comes_first_and_no_copies_are_train_itself():
    assert copies(copies=0) == [DOCUMENTS]
    assert copies(copies=4)[0] == DOCUMENTS
    assert len(copies(copies=4)) == 5


def test_replaced_tokens_are_near_ones_and_the_frame_stays():
    copy = copies(copies=1, replace_words=0.9)[1]
    assert copy != DOCUMENTS
    assert [(one[0], one[-1], len(one)) for one in copy] == [(1, 2, len(one)) for one in DOCUMENTS]
    near = dict(zip(range(17), nearest_tokens(EMBEDDING, np.arange(17)).tolist(), strict=True))
    changed = [(a, b) for old, new in zip(DOCUMENTS, copy, strict=True) for a, b in zip(old, new, strict=True) if a != b]
    assert changed
    assert all(b in near[a] for a, b in changed)


def test_dropped_tokens_are_inner_ones_in_order():
    copy = copies(copies=2, drop_words=0.5)[2]
    assert sum(map(len, copy)) < sum(map(len, DOCUMENTS))
    for old, new in zip(DOCUMENTS, copy, strict=True):
        assert (new[0], new[-1]) == (1, 2)
        left = iter(old)
        assert all(token in left for token in new)


def test_joined_texts_have_one_frame_and_are_no_longer_than_the_longest():
    copy = copies(copies=3)[3]
    assert all((one[0], one[-1]) == (1, 2) and 2 <= len(one) <= 7 for one in copy)
    assert all(1 not in one[1:] and 2 not in one[:-1] for one in copy)


def test_the_same_seed_gives_the_same_noise():
    first, second, other = (documents(transfer_rows(ROWS, NONE, Transfer(copies=3), EMBEDDING, seed=seed)) for seed in (4, 4, 5))
    assert first == second != other


@pytest.mark.parametrize(("tokens", "want"), [(30, 6), (100_000, 5), (290_000, 1), (310_000, 0), (5_000_000, 0)])
def test_auto_makes_fewer_copies_of_more_tokens(tokens, want):
    rows = Rows(ragged([[1] * tokens]), np.array([0]))
    assert copies_of(rows, "auto") == want
    assert copies_of(rows, 9) == 9


def test_further_texts_come_after_train_and_are_copied_too():
    whole = documents(transfer_rows(ROWS, ragged([[1, 9, 9, 2]]), Transfer(copies=1), EMBEDDING, seed=4))
    assert whole[:7] == [*DOCUMENTS, [1, 9, 9, 2]]
    assert len(whole) == 14


def test_the_digest_of_texts_tells_their_borders_apart():
    assert texts_sha256(["ab", "c"]) != texts_sha256(["a", "bc"])
    assert texts_sha256([]) == ""


def test_the_reference_answers_what_it_has_time_for_drawn_over_all_of_train():
    rows = Rows(ragged([[1, 3, 2]] * 4000), np.zeros(4000, np.int64))
    assert answered_rows(rows, 12_000, seed=0).tolist() == list(range(4000))
    some = answered_rows(rows, 6_000, seed=0)
    assert len(some) == len(set(some)) == 2000
    assert (np.diff(some) > 0).all()
    assert 900 < (some < 2000).sum() < 1100
    assert answered_rows(rows, 6_000, seed=0).tolist() == some.tolist() != answered_rows(rows, 6_000, seed=1).tolist()
    assert len(answered_rows(rows, -1.0, seed=0)) == 500
