"""Examples of a language model: pieces of documents, several in a row, and the tokens to guess in them; how well they are guessed.

Shape letters: B rows, S sequence, P pieces, T tokens of all rows together, N documents, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.data.packing import best_fit, one_each
from smelt.models.network import Network
from smelt.parallel.pipeline import answer
from smelt.parallel.world import ALONE, World
from smelt.recipe.task import Packing
from smelt.recipe.train import Augment, Train
from smelt.tasks.language import NOT_ASKED, Cover
from smelt.tasks.padding import pad, take
from smelt.train.batch import Batch, BatchShape
from smelt.train.device import device_of
from smelt.train.documents import Tokens, open_documents, spans
from smelt.train.evaluate import Judge
from smelt.train.loader import score_batches
from smelt.types import Arrays

_JUDGED_SEED = (2**31, 0)
"""Of the tokens that are covered where a model is judged: the same for every model."""
_LONGEST_EXPONENT = 700.0
_MOST_SCORES = 2**25
"""Numbers that the scores of a batch may be, where a model is judged."""


@dataclass(frozen=True)
class LanguageRows:
    """Pieces of n documents, memory-mapped, in rows."""

    tokens: Tokens
    """P pieces."""
    owners: NDArray[np.int64]
    """Which document a piece is of. Shape (P,)."""
    sizes: NDArray[np.int64]
    """Bytes of each document. Shape (N,)."""
    order: NDArray[np.int64]
    """Pieces, row after row. Shape (P,)."""
    starts: NDArray[np.int64]
    """Where each row begins in `order`. Shape (rows + 1,)."""
    cover: Cover | None
    """Which tokens are to be guessed; None for a decoder, which guesses each one from those before it."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        ends = np.concatenate([[0], np.cumsum(np.diff(self.tokens.offsets)[self.order])])
        return np.diff(ends[self.starts])

    def read(self, numbers: NDArray[np.int64], augment: Augment, seed: tuple[int, int, int]) -> "LanguageReading":
        """Return the rows of one batch; covered tokens depend on seed and epoch, not on the batch. There is no other noise."""
        assert augment == Augment()
        return self.covered(numbers, seed[:2])

    def covered(self, numbers: NDArray[np.int64], seed: Sequence[int]) -> "LanguageReading":
        """Return rows, their tokens covered as the seed says."""
        counts = np.diff(self.starts)[numbers]
        pieces = self.order[spans(self.starts[numbers], counts)]
        arrays = self.tokens.take(pieces)
        lengths = np.diff(arrays.offsets)
        if self.cover is None:
            ids, targets = arrays.ids, _next_tokens(arrays)
        else:
            ids, targets = self.cover.apply(arrays, spans(self.tokens.offsets[pieces], lengths), seed)
        ends = np.concatenate([[0], np.cumsum(counts)])
        inside = np.arange(len(pieces)) - np.repeat(ends[:-1], counts) + 1
        return LanguageReading(
            arrays=Arrays(ids=ids, offsets=arrays.offsets[ends]),
            documents=np.repeat(inside, lengths),
            targets=targets,
            owners=np.repeat(self.owners[pieces], lengths),
            numbers=numbers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageReading:
    """The rows of one batch."""

    arrays: Arrays
    """B rows of tokens as the model sees them."""
    documents: NDArray[np.int64]
    """Which piece of its row a token is of, from 1. Shape (T,)."""
    targets: NDArray[np.int64]
    """What has to be guessed at each token. Shape (T,)."""
    owners: NDArray[np.int64]
    """Which document of the split each token is of. Shape (T,)."""
    numbers: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each. Shape (B,)."""
        return np.diff(self.arrays.offsets)

    @property
    def weights(self) -> NDArray[np.int64]:
        """Tokens to guess in each row."""
        asked = np.concatenate([[0], np.cumsum(self.targets != NOT_ASKED)])
        return np.diff(asked[self.arrays.offsets])

    def batch(self, places: NDArray[np.int64]) -> Batch:
        """Return some of the rows, padded."""
        ids, mask = pad(take(self.arrays, places))
        documents, targets = (self.padded(values, places) for values in (self.documents, self.targets))
        targets[mask == 0] = NOT_ASKED
        return Batch(torch.from_numpy(ids), torch.from_numpy(documents), torch.from_numpy(targets), self.numbers[places])

    def padded(self, values_T: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a number of each token of some rows as a rectangle, 0 where there is padding. Shape (B, S)."""
        return pad(take(Arrays(ids=values_T.astype(np.int32), offsets=self.arrays.offsets), places))[0]


def _next_tokens(arrays: Arrays) -> NDArray[np.int64]:
    targets = np.full(len(arrays.ids), NOT_ASKED, np.int64)
    targets[:-1] = arrays.ids[1:]
    targets[arrays.offsets[1:][np.diff(arrays.offsets) > 0] - 1] = NOT_ASKED
    return targets


def guessing_loss(network: Network, batch: Batch) -> Tensor:
    """Return the mean over the tokens to guess of how unlikely the right one was held to be. Nats."""
    asked_BS = batch.targets != NOT_ASKED
    scores_KV = network(batch.ids_BS, batch.mask_BS, asked_BS)
    total = torch.nn.functional.cross_entropy(scores_KV.float(), batch.targets[asked_BS], reduction="sum")
    return total / max(1, int(asked_BS.sum()))


def open_rows(folder: Path, packing: Packing, max_tokens: int, cover: Cover | None) -> LanguageRows:
    """Map a split that `encode_documents` wrote, and put its pieces into rows of at most `max_tokens`."""
    tokens, owners, sizes = open_documents(folder)
    lengths = np.diff(tokens.offsets)
    order, starts = best_fit(lengths, max_tokens) if packing == "best_fit" else one_each(len(lengths))
    return LanguageRows(tokens, owners, sizes, order, starts, cover)


def score_documents(
    network: Network, rows: LanguageRows, shape: BatchShape, vocabulary: int, *, precision: str, world: World = ALONE
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how many nats each document's guesses cost, and how many tokens were guessed in it. Shapes (N,).

    The processes of a world share every batch, and each gets all figures.
    """
    network.eval()
    device = device_of(network)
    found = torch.zeros(2, len(rows.sizes), dtype=torch.float64)
    most = max(1, _MOST_SCORES // vocabulary)
    batches = score_batches(rows, _Shape(min(shape.batch_tokens, most), shape.batch_examples))
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for numbers in batches:
            reading, own = rows.covered(numbers, _JUDGED_SEED), world.share(len(numbers))
            places = own if len(own) else np.zeros(1, np.int64)
            batch = reading.batch(places).to(device)
            asked_BS = batch.targets != NOT_ASKED
            scores = answer(network, batch.ids_BS, batch.mask_BS, asked_BS)
            if scores is None or not len(own):
                continue
            nats = torch.nn.functional.cross_entropy(scores.float(), batch.targets[asked_BS], reduction="none").double().cpu()
            owners = torch.from_numpy(reading.padded(reading.owners, places))[asked_BS.cpu()]
            found[0].index_add_(0, owners, nats)
            found[1].index_add_(0, owners, torch.ones_like(nats))
    nats, tokens = world.sum(found.to(device)).cpu().numpy()
    return nats, tokens.astype(np.int64)


def judge_guesses(dev: LanguageRows, section: Train, vocabulary: int) -> Judge:
    """Judge by the probability, as a geometric mean, that the right tokens of dev get: the inverse of the perplexity."""

    def judge(network: Network, precision: str, world: World) -> tuple[float, Mapping[str, float], Mapping[str, str]]:
        nats, tokens = score_documents(network, dev, section, vocabulary, precision=precision, world=world)
        mean = float(nats.sum() / max(1, tokens.sum()))
        return math.exp(-mean), {"dev_loss": mean, "dev_perplexity": math.exp(min(mean, _LONGEST_EXPONENT))}, {}

    return judge


@dataclass(frozen=True, slots=True)
class _Shape:
    batch_tokens: int
    batch_examples: int
