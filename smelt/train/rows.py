"""Encoded rows of a split, memory-mapped: memory stays flat however many there are."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.recipe.train import Augment
from smelt.tasks.padding import pad, take
from smelt.train.batch import Batch
from smelt.train.noise import with_noise
from smelt.types import Arrays

_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """Ragged token numbers of n documents and their class numbers."""

    arrays: Arrays
    labels: NDArray[np.int64]
    """Shape (n,)."""

    def __len__(self) -> int:
        """Return n."""
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document. Shape (n,)."""
        return np.diff(self.arrays.offsets)

    def part(self, numbers: Sequence[int] | NDArray[np.int64]) -> "Rows":
        """Return some of the rows as a split of its own."""
        return Rows(self.take(numbers), self.labels[np.asarray(numbers)])

    def take(self, numbers: Sequence[int] | NDArray[np.int64]) -> Arrays:
        """Return the encoded documents with these numbers."""
        return take(self.arrays, numbers)

    def read(self, numbers: NDArray[np.int64], augment: Augment, seed: tuple[int, int, int]) -> "LabeledReading":
        """Return the documents of one batch with their noise; first and last token of each stay."""
        arrays = self.take(numbers)
        if augment.drop_words or augment.swap_words:
            arrays = with_noise(arrays, augment, np.random.default_rng(seed))
        return LabeledReading(arrays, self.labels[numbers], numbers)


@dataclass(frozen=True, slots=True)
class LabeledReading:
    """The documents of one batch; each counts as much as every other."""

    arrays: Arrays
    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each. Shape (B,)."""
        return np.diff(self.arrays.offsets)

    @property
    def weights(self) -> NDArray[np.int64]:
        """One for each document."""
        return np.ones(len(self.numbers), np.int64)

    def batch(self, places: NDArray[np.int64]) -> Batch:
        """Return some of the documents, padded."""
        ids, mask = pad(take(self.arrays, places))
        return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(self.labels[places]), self.numbers[places])


def encode_rows(
    texts: Callable[[slice], Sequence[str]], labels: NDArray[np.int64], encode: Callable[[Sequence[str]], Arrays], path: Path
) -> Rows:
    """Encode a split in chunks into a file and map it.

    Args:
        texts: returns the documents of a slice of rows.
        labels: class numbers, shape (n,).
        encode: the codec's.
        path: file to write the token numbers to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = [np.zeros(1, np.int64)]
    # Another process may have the file mapped: it keeps what it has, and this one takes the name.
    work = path.with_name(f"{path.name}.{os.getpid()}")
    with work.open("wb") as stream:
        for start in range(0, len(labels), _CHUNK):
            chunk = encode(texts(slice(start, min(start + _CHUNK, len(labels)))))
            stream.write(chunk.ids.tobytes())
            lengths.append(np.diff(chunk.offsets))
    beside = _lengths_of(work)
    beside.write_bytes(np.concatenate(lengths).tobytes())  # numpy's own tofile says nothing of a full disk
    beside.replace(_lengths_of(path))
    work.replace(path)
    return open_rows(path, labels)


def open_rows(path: Path, labels: NDArray[np.int64]) -> Rows:
    """Map a split that `encode_rows` wrote."""
    offsets = np.cumsum(np.fromfile(_lengths_of(path), np.int64))
    ids = np.memmap(path, np.int32, "r") if offsets[-1] else np.zeros(0, np.int32)
    return Rows(Arrays(ids=ids, offsets=offsets), labels)


def _lengths_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lengths")


def join_rows(first: Rows, second: Rows) -> Rows:
    """Return the rows of both, in memory."""
    offsets = np.concatenate([first.arrays.offsets, second.arrays.offsets[1:] + first.arrays.offsets[-1]])
    ids = np.concatenate([first.arrays.ids, second.arrays.ids])
    return Rows(Arrays(ids=ids, offsets=offsets), np.concatenate([first.labels, second.labels]))
