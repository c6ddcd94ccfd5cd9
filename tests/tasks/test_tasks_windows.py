"""Windows over long documents: every token is in one, and their scores are pooled."""

import numpy as np
import pytest

from smelt.tasks.padding import take
from smelt.tasks.tokens import ragged
from smelt.tasks.windows import Windows, pool_scores, split_windows

FIVE = Windows(tokens=5, stride=2, pool="mean")


def texts_of(arrays):
    return [take(arrays, [row]).ids.tolist() for row in range(len(arrays))]


def test_windows_are_as_worked_by_hand():
    documents = [[1, 10, 11, 2], [1, 10, 11, 12, 2], [1, 10, 11, 12, 13, 14, 15, 2], []]
    pieces, counts = split_windows(ragged(documents), FIVE)
    assert counts.tolist() == [1, 1, 3, 1]
    assert texts_of(pieces) == [
        [1, 10, 11, 2], [1, 10, 11, 12, 2], [1, 10, 11, 12, 2], [1, 12, 13, 14, 2], [1, 13, 14, 15, 2], []
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_every_token_is_read_and_every_window_is_framed(seed):
    generator = np.random.default_rng(seed)
    tokens = int(generator.integers(3, 9))
    windows = Windows(tokens=tokens, stride=int(generator.integers(1, tokens - 1)), pool="mean")
    documents = [[1, *range(100, 100 + int(size)), 2] for size in generator.integers(0, 40, 5)]
    pieces, counts = split_windows(ragged(documents), windows)
    found = texts_of(pieces)
    assert all(piece[0] == 1 and piece[-1] == 2 and len(piece) <= tokens for piece in found)
    ends = np.cumsum(counts)
    for document, start, end in zip(documents, ends - counts, ends, strict=True):
        assert {token for piece in found[start:end] for token in piece} == set(document)


def test_scores_are_pooled_per_document():
    scores, counts = np.array([[1, 5], [3, 4], [8, 0]], np.float32), np.array([2, 1])
    assert pool_scores(scores, counts, "mean").tolist() == [[2, 4.5], [8, 0]]
    assert pool_scores(scores, counts, "max").tolist() == [[3, 5], [8, 0]]
    assert pool_scores(scores[:0], counts[:0], "mean").shape == (0, 2)


@pytest.mark.parametrize(("tokens", "stride", "pool"), [(8, 7, "mean"), (8, 0, "mean"), (2, 1, "mean"), (8, 2, "sum"), ("8", 2, "mean")])
def test_windows_that_would_skip_tokens_or_never_end_are_refused(tokens, stride, pool):
    with pytest.raises((ValueError, TypeError)):
        Windows(tokens=tokens, stride=stride, pool=pool)
