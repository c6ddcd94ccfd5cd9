"""What training asks of examples, of whatever task: how long they are, and the tensors of some of them.

Shape letters: B batch, S sequence.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.recipe.train import Augment


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one forward."""

    ids_BS: Tensor
    mask_BS: Tensor
    """0 for padding, 1 for tokens; where a row holds several documents, their numbers in it, from 1."""
    targets: Tensor
    """Class numbers, shape (B,); or tokens to guess, shape (B, S), -100 where there is nothing to guess."""
    rows: NDArray[np.int64]
    """Which examples of the split these are. Shape (B,)."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return replace(self, ids_BS=self.ids_BS.to(device), mask_BS=self.mask_BS.to(device), targets=self.targets.to(device))


class Reading(Protocol):
    """The examples of one batch with their noise, as they are whatever number of processes then shares them."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each. Shape (B,)."""
        ...

    @property
    def weights(self) -> NDArray[np.int64]:
        """How much each counts in the mean that a loss is, such as the tokens to guess in it. Shape (B,)."""
        ...

    def batch(self, places: NDArray[np.int64]) -> Batch:
        """Return some of the examples, padded."""
        ...


class Examples(Protocol):
    """The examples of a split."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each."""
        ...

    def read(self, numbers: NDArray[np.int64], augment: Augment, seed: tuple[int, int, int]) -> Reading:
        """Return the examples of one batch.

        Args:
            numbers: of the examples.
            augment: noise on their tokens.
            seed: (seed, epoch, batch number).
        """
        ...


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
