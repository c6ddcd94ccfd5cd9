"""Noise on the tokens of a batch: words left out, words that change places."""

import numpy as np
from numpy.typing import NDArray

from smelt.recipe.train import Augment
from smelt.types import Arrays


def with_noise(arrays: Arrays, augment: Augment, generator: np.random.Generator) -> Arrays:
    """Drop and swap inner tokens of every document."""
    ids = np.array(arrays.ids)
    inner = inner_tokens(arrays)
    if augment.swap_words:
        for place in np.flatnonzero(inner[:-1] & inner[1:] & (generator.random(len(ids))[1:] < augment.swap_words)):
            ids[[place, place + 1]] = ids[[place + 1, place]]
    kept = ~(inner & (generator.random(len(ids)) < augment.drop_words))
    offsets = np.concatenate([[0], np.cumsum(kept)])[arrays.offsets]
    return Arrays(ids=ids[kept], offsets=offsets)


def inner_tokens(arrays: Arrays) -> NDArray[np.bool_]:
    """Mark the tokens that are neither the first nor the last of their document. Shape (T,)."""
    inner = np.ones(len(arrays.ids), bool)
    filled = np.diff(arrays.offsets) > 0
    inner[arrays.offsets[:-1][filled]] = False
    inner[arrays.offsets[1:][filled] - 1] = False
    return inner
