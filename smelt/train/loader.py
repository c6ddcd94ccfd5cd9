"""Which examples make which batch, in which order. All of it follows from (seed, epoch, number)."""

import numpy as np
from numpy.typing import NDArray

from smelt.data.batch import token_batches
from smelt.recipe.train import Augment
from smelt.train.batch import Batch, BatchShape, Examples


def epoch_batches(rows: Examples, shape: BatchShape, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return the numbers of the examples of each batch of an epoch. Every one occurs once."""
    return token_batches(rows.lengths, batch_tokens=shape.batch_tokens, batch_examples=shape.batch_examples, seed=(seed, epoch))


def load(rows: Examples, numbers: NDArray[np.int64], augment: Augment, seed: tuple[int, int, int]) -> Batch:
    """Return a whole batch; see `Examples.read`."""
    return rows.read(numbers, augment, seed).batch(np.arange(len(numbers)))


def score_batches(rows: Examples, shape: BatchShape) -> list[NDArray[np.int64]]:
    """Return example numbers in batches of similar length, for evaluation."""
    return token_batches(rows.lengths, batch_tokens=shape.batch_tokens * 2, batch_examples=shape.batch_examples * 2, seed=None)
