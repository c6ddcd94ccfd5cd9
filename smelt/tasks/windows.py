"""Documents longer than a transformer reads: windows that overlap are scored one by one, and their scores are pooled.

Shape letters: B documents, W windows of all of them, T tokens, C classes.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from smelt.language import say
from smelt.types import Arrays

Pool = Literal["mean", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How a document is cut."""

    tokens: int
    """Of a window, the two that frame it included."""
    stride: int
    """Tokens from the start of one window to the start of the next; the last one ends with the document."""
    pool: Pool
    """How the windows' scores become the document's."""

    def __post_init__(self) -> None:
        """Refuse what would skip tokens or never end."""
        whole = isinstance(self.tokens, int) and isinstance(self.stride, int)
        if not whole or not 1 <= self.stride <= self.tokens - 2 or self.pool not in get_args(Pool):
            raise ValueError(say("windows of {tokens} tokens with a stride of {stride}", tokens=self.tokens, stride=self.stride))


def split_windows(arrays: Arrays, windows: Windows) -> tuple[Arrays, NDArray[np.int64]]:
    """Cut each document into windows; each begins and ends with the document's first and last token, which frame it.

    Returns:
        The windows, W of them in the order of the documents, and how many each document has, shape (B,), at least 1.
    """
    lengths = np.diff(arrays.offsets)
    over = np.maximum(lengths - windows.tokens, 0)
    counts = 1 + -(-over // windows.stride)
    owners_W = np.repeat(np.arange(len(lengths)), counts)
    numbers_W = np.arange(len(owners_W)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts_W = np.minimum(numbers_W * windows.stride, over[owners_W])
    sizes_W = np.minimum(lengths[owners_W], windows.tokens)
    offsets = np.concatenate([[0], np.cumsum(sizes_W)])
    inside_T = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes_W)
    places_T = inside_T + np.repeat(starts_W, sizes_W)
    places_T = np.where(inside_T == 0, 0, places_T)
    places_T = np.where(inside_T == np.repeat(sizes_W, sizes_W) - 1, np.repeat(lengths[owners_W], sizes_W) - 1, places_T)
    places_T += np.repeat(arrays.offsets[:-1][owners_W], sizes_W)
    return Arrays(ids=np.asarray(arrays.ids[places_T], np.int32), offsets=offsets), counts


def pool_scores(scores_WC: NDArray[np.float32], counts_B: NDArray[np.int64], pool: Pool) -> NDArray[np.float32]:
    """Return each document's scores from those of its windows, shape (B, C)."""
    if not len(counts_B):
        return scores_WC
    starts = np.cumsum(counts_B) - counts_B
    if pool == "max":
        return np.maximum.reduceat(scores_WC, starts, axis=0)
    return (np.add.reduceat(scores_WC, starts, axis=0) / counts_B[:, None]).astype(np.float32)
