"""From encoded rows to padded batches: which rows, in which order, with which noise. All of it follows from (seed, epoch, number).

Shape letters: B batch, S sequence.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.data.batch import token_batches
from smelt.recipe.train import Augment
from smelt.tasks.padding import pad
from smelt.train.rows import Rows
from smelt.types import Arrays


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one forward."""

    ids_BS: Tensor
    mask_BS: Tensor
    labels_B: Tensor
    rows: NDArray[np.int64]
    """Which rows of the split these are. Shape (B,)."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return replace(self, ids_BS=self.ids_BS.to(device), mask_BS=self.mask_BS.to(device), labels_B=self.labels_B.to(device))


class BatchShape(Protocol):
    """How large a batch is; `recipe.train.Train` has these fields."""

    @property
    def batch_tokens(self) -> int:
        """Most tokens, padding included."""
        ...

    @property
    def batch_examples(self) -> int:
        """Most examples."""
        ...


def epoch_batches(rows: Rows, shape: BatchShape, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return the row numbers of each batch of an epoch. Every row occurs once."""
    return token_batches(rows.lengths, batch_tokens=shape.batch_tokens, batch_examples=shape.batch_examples, seed=(seed, epoch))


def load(rows: Rows, numbers: NDArray[np.int64], augment: Augment, noise_seed: tuple[int, int, int]) -> Batch:
    """Assemble one batch.

    Args:
        rows: the split.
        numbers: rows to take.
        augment: noise on the tokens; first and last token stay.
        noise_seed: (seed, epoch, batch number).
    """
    return assemble(rows, numbers, read(rows, numbers, augment, noise_seed))


def read(rows: Rows, numbers: NDArray[np.int64], augment: Augment, noise_seed: tuple[int, int, int]) -> Arrays:
    """Return the tokens of one batch, noise included, as they are whatever number of processes then shares them; see `load`."""
    arrays = rows.take(numbers)
    if augment.drop_words or augment.swap_words:
        arrays = _with_noise(arrays, augment, np.random.default_rng(noise_seed))
    return arrays


def assemble(rows: Rows, numbers: NDArray[np.int64], arrays: Arrays) -> Batch:
    """Pad the tokens of these rows."""
    ids, mask = pad(arrays)
    return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(rows.labels[numbers]), numbers)


def _with_noise(arrays: Arrays, augment: Augment, generator: np.random.Generator) -> Arrays:
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


def score_batches(rows: Rows, shape: BatchShape) -> list[NDArray[np.int64]]:
    """Return row numbers in batches of similar length, for evaluation."""
    return token_batches(rows.lengths, batch_tokens=shape.batch_tokens * 2, batch_examples=shape.batch_examples * 2, seed=None)
