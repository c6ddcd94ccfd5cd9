"""Tokens of a split of documents on disk: shard after shard, each written once, mapped when they are read.

Shape letters: P pieces, T tokens of all of them together, N documents.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smelt.tasks.language import Pieces
from smelt.types import Arrays

_DOCUMENTS = 1024
"""Encoded at once."""
_SHARD_TOKENS = 2**25
"""After so many a shard ends: 128 MiB."""
_IDS, _LENGTHS, _OWNERS, _SIZES = "ids", "lengths", "owners", "sizes"
_ENTRY = 8
"""Bytes of a number in all files but the tokens', where it is four."""
_CODEC = "codec"
"""File that says what encoded the shards."""


@dataclass(frozen=True)
class Tokens:
    """P pieces of documents. A piece lies in one shard."""

    shards: Sequence[NDArray[np.int32]]
    """Tokens of each shard, memory-mapped."""
    offsets: NDArray[np.int64]
    """Where each piece begins in all tokens. Shape (P + 1,)."""

    def take(self, pieces: NDArray[np.int64]) -> Arrays:
        """Return the pieces with these numbers, in that order."""
        starts, lengths = self.offsets[pieces], self.offsets[pieces + 1] - self.offsets[pieces]
        places_T = spans(starts, lengths)
        ids_T = np.empty(len(places_T), np.int32)
        ends = np.cumsum([len(shard) for shard in self.shards])
        homes_T = np.repeat(np.searchsorted(ends, starts, side="right"), lengths)
        for home in np.unique(homes_T):
            here = homes_T == home
            ids_T[here] = self.shards[home][places_T[here] - (ends[home] - len(self.shards[home]))]
        return Arrays(ids=ids_T, offsets=np.concatenate([[0], np.cumsum(lengths)]))


def spans(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `start, start + 1, …` of each span, one after the other."""
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(starts - before, counts)


def encode_documents(
    texts: Callable[[slice], Sequence[str]], count: int, encode: Callable[[Sequence[str]], Pieces], folder: Path, codec: str = "",
    *, tell: Callable[[int, int], None] = lambda _documents, _tokens: None,
) -> None:  # fmt: skip
    """Encode a split into shards; memory stays flat however many documents there are. Whole shards of the same codec are kept.

    Args:
        texts: returns the documents of a slice of rows.
        count: of the documents.
        encode: the codec's; it works on all cores.
        folder: one folder per shard will be in it, each put in place when it is whole.
        codec: what tells one codec from another.
        tell: hears how many documents are done, and how many tokens this call has encoded.
    """
    mark = folder / _CODEC
    if not mark.is_file() or mark.read_text(encoding="utf-8") != codec:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(codec, encoding="utf-8")
    done, tokens = sum((shard / _SIZES).stat().st_size // _ENTRY for shard in _shards(folder)), 0
    while done < count:
        work, written = folder / "work", 0
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        with ExitStack() as held:
            streams = [held.enter_context((work / name).open("wb")) for name in (_IDS, _LENGTHS, _OWNERS, _SIZES)]
            while done < count and written < _SHARD_TOKENS:
                pieces = encode(texts(slice(done, min(done + _DOCUMENTS, count))))
                lengths = np.diff(pieces.arrays.offsets)
                for stream, values in zip(streams, (pieces.arrays.ids, lengths, pieces.owners + done, pieces.sizes), strict=True):
                    stream.write(values.tobytes())
                done, written = min(done + _DOCUMENTS, count), written + len(pieces.arrays.ids)
                tell(done, tokens + written)
            for stream in streams:
                stream.flush()
                os.fsync(stream.fileno())
        work.replace(folder / f"{len(_shards(folder)):05}")
        tokens += written


def open_documents(folder: Path) -> tuple[Tokens, NDArray[np.int64], NDArray[np.int64]]:
    """Map what `encode_documents` wrote: the tokens, which document each piece is of (P,), bytes of each document (N,)."""
    shards = _shards(folder)
    lengths, owners, sizes = (
        np.concatenate([np.zeros(0, np.int64), *(np.fromfile(shard / name, np.int64) for shard in shards)])
        for name in (_LENGTHS, _OWNERS, _SIZES)
    )
    # An empty file cannot be mapped.
    ids = [np.memmap(shard / _IDS, np.int32, "r") for shard in shards if (shard / _IDS).stat().st_size]
    return Tokens(ids, np.concatenate([[0], np.cumsum(lengths)])), owners, sizes


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.isdigit())
