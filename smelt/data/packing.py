"""Several pieces of text in one row, so that little of it is padding."""

import numpy as np
from numpy.typing import NDArray


def best_fit(lengths: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fill rows: the longest piece first, each into the fullest row that has room for it (best-fit decreasing).

    Args:
        lengths: of the pieces, from 0 to `size`. Shape (N,).
        size: of a row.

    Returns:
        The pieces' numbers row by row, shape (N,), and where each row begins in them, shape (rows + 1,).

    Raises:
        ValueError: a piece is longer than a row.

    Source: Ding et al. 2024, arXiv 2404.10830, algorithm 1.
    """
    if len(lengths) and int(lengths.max()) > size:
        raise ValueError(f"a piece of {int(lengths.max())} does not fit into rows of {size}")
    order = np.argsort(-lengths, kind="stable")
    row_of = np.zeros(len(lengths), np.int64)
    open_rows: list[list[int]] = [[] for _ in range(size + 1)]
    rooms, rows = 0, 0  # bit r of rooms: there is a row with room for r more
    for piece, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = open_rows[room].pop()
            if not open_rows[room]:
                rooms &= ~(1 << room)
        else:
            room, row, rows = size, rows, rows + 1
        row_of[piece] = row
        open_rows[room - length].append(row)
        rooms |= 1 << (room - length)
    return np.argsort(row_of, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=rows))])


def one_each(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the same for rows of one piece each."""
    return np.arange(count), np.arange(count + 1)
