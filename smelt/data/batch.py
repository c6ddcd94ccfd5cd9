"""Batches of examples of similar length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WINDOW_BATCHES = 64
"""Examples are sorted within this many batches at a time: long enough to waste little, short enough to keep epochs different."""


def token_batches(
    lengths: Sequence[int] | NDArray[np.integer], batch_tokens: int, batch_examples: int, seed: int | Sequence[int] | None
) -> list[NDArray[np.int64]]:
    """Cut the examples into batches; every example is in exactly one.

    Args:
        lengths: tokens of each example. Shape (N,).
        batch_tokens: most tokens of a batch, padding included. A longer example has a batch of its own.
        batch_examples: most examples of a batch.
        seed: of the order, such as (seed, epoch); equal seeds give equal batches. None sorts all examples by length, for inference.

    Returns:
        Example numbers, one array per batch.

    Raises:
        ValueError: a limit is below 1.
    """
    if batch_tokens < 1 or batch_examples < 1:
        raise ValueError(f"batch_tokens={batch_tokens}, batch_examples={batch_examples}: both must be at least 1")
    sizes = np.asarray(lengths, np.int64)
    if seed is None:
        return _cut(np.argsort(sizes, kind="stable"), sizes, batch_tokens, batch_examples)
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(len(sizes))
    window = _WINDOW_BATCHES * batch_examples
    windows = [order[start : start + window] for start in range(0, len(order), window)]
    ordered = [rows[np.argsort(sizes[rows], kind="stable")] for rows in windows]
    batches = [batch for rows in ordered for batch in _cut(rows, sizes, batch_tokens, batch_examples)]
    return [batches[place] for place in generator.permutation(len(batches))]


def _cut(order: NDArray[np.int64], sizes: NDArray[np.int64], batch_tokens: int, batch_examples: int) -> list[NDArray[np.int64]]:
    """Fill batch after batch. As lengths rise along `order`, the newest example sets the width."""
    starts = [0] if len(order) else []
    for place, size in enumerate(sizes[order].tolist()):
        count = place - starts[-1] + 1
        if count > 1 and (count > batch_examples or count * size > batch_tokens):
            starts.append(place)
    return np.split(order, starts[1:]) if starts else []
