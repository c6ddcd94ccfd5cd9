"""Pick rows of a ragged batch, and pad it for networks and graphs that want rectangles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smelt.types import Arrays


def take(arrays: Arrays, rows: Sequence[int] | NDArray[np.int64]) -> Arrays:
    """Return the examples with the given numbers, in that order."""
    starts = arrays.offsets[:-1][rows]
    lengths = arrays.offsets[1:][rows] - starts
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return Arrays(ids=np.asarray(arrays.ids[places], np.int32), offsets=offsets)


def pad(arrays: Arrays, multiple: int = 1, most: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pad a ragged batch on the right to its longest example, at least one column wide.

    Args:
        arrays: the batch.
        multiple: pad on to a multiple of so many columns, if that is
        most: columns at most.

    Returns:
        Token numbers, 0 where there is padding, and the mask, 1 for tokens. Both int64, shape (B, S).
    """
    lengths = np.diff(arrays.offsets)
    longest = max(1, int(lengths.max(initial=1)))
    columns = max(longest, min(longest + -longest % multiple, most))
    mask = np.arange(columns)[None, :] < lengths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = arrays.ids
    return ids, mask.astype(np.int64)
