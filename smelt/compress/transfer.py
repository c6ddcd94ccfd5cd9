"""The transfer set: the texts on which students learn to answer as the reference does. Train, and noisy copies of it.

A copy needs no label: the reference answers it. Hinton, Vinyals and Dean 2015, section 1, call it so; noise of this kind is that of
Jiao et al. 2020 (TinyBERT, section 3.2) and Tang et al. 2019, arXiv 1903.12136, section 3.3.

Shape letters: V tokens of the vocabulary, U tokens that occur, D width, K nearest tokens.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.recipe.compress import Transfer
from smelt.tasks.padding import take
from smelt.tasks.tokens import ragged
from smelt.train.noise import inner_tokens
from smelt.train.rows import Rows, join_rows
from smelt.types import Arrays

_TOKENS = 600_000
"""Tokens of a transfer set that `auto` does not exceed by noisy copies."""
_MOST_COPIES = 6
_LEAST_ANSWERED = 500
"""Rows of train that the reference answers however slow it is."""
_NEAREST = 10
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class TransferSet:
    """What students learn from."""

    rows: Rows
    """Train first, then further texts, then noisy copies."""
    scores: NDArray[np.float32]
    """The reference's scores; NaN for a row of train that it had no time to answer. Shape (n, C)."""
    labeled: int
    """The first so many rows have true labels."""


def transfer_rows(
    rows: Rows, more: Arrays, section: Transfer, embedding_VD: Tensor, seed: int, *, affordable: float = math.inf
) -> Rows:  # fmt: skip
    """Return train, further texts, and noisy copies of both. The same seed gives the same noise.

    Args:
        rows: train.
        more: texts without labels; the label of their rows is 0 and means nothing.
        section: how many copies, how noisy.
        embedding_VD: the reference's, whose nearest tokens stand in for each other.
        seed: of the noise.
        affordable: tokens that the reference can answer in the time there is; `auto` does not exceed them by noisy copies.
    """
    if len(more):
        rows = join_rows(rows, Rows(more, np.zeros(len(more), np.int64)))
    copies = copies_of(rows, section.copies, affordable)
    if not copies:
        return rows
    generator = np.random.default_rng((seed, 1))
    used_U = np.unique(rows.arrays.ids).astype(np.int64)
    near_UK = nearest_tokens(embedding_VD, used_U)
    noisy = [_noisy(rows, section, used_U, near_UK, generator, kind=("replace", "drop", "join")[number % 3]) for number in range(copies)]
    whole = rows
    for copy in noisy:
        whole = join_rows(whole, copy)
    return whole


def answered_rows(rows: Rows, affordable: float, seed: int) -> NDArray[np.int64]:
    """Return which rows of train the reference answers: all, or as many, drawn at random, as it has time for.

    Args:
        rows: train.
        affordable: tokens that it can answer.
        seed: of the draw.
    """
    if rows.arrays.offsets[-1] <= affordable:
        return np.arange(len(rows))
    order = np.random.default_rng((seed, 2)).permutation(len(rows))
    fit = int(np.searchsorted(np.cumsum(rows.lengths[order]), affordable, side="right"))
    return np.sort(order[: max(fit, _LEAST_ANSWERED)])


def texts_sha256(texts: Sequence[str]) -> str:
    """Return what stands for these texts in their order; the empty string for none."""
    if not texts:
        return ""
    digest = hashlib.sha256()
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def copies_of(rows: Rows, wanted: int | Literal["auto"], affordable: float = math.inf) -> int:
    """Return how many noisy copies are made: for `auto` fewer, the more tokens train has, and the slower the reference answers them."""
    if wanted != "auto":
        return wanted
    return max(0, min(_MOST_COPIES, int(min(_TOKENS, affordable)) // max(1, int(rows.arrays.offsets[-1])) - 1))


def nearest_tokens(embedding_VD: Tensor, used_U: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each used token the numbers of the tokens nearest by cosine, itself left out. Shape (U, K)."""
    normal_VD = torch.nn.functional.normalize(embedding_VD.detach().float().cpu(), dim=1)
    most = min(_NEAREST, len(normal_VD) - 1)
    found = []
    for start in range(0, len(used_U), _ROWS_AT_ONCE):
        part = torch.from_numpy(used_U[start : start + _ROWS_AT_ONCE])
        cosine = normal_VD[part] @ normal_VD.T
        cosine[torch.arange(len(part)), part] = -torch.inf
        found.append(cosine.topk(most, dim=1).indices.numpy())
    return np.concatenate(found)


def _noisy(
    rows: Rows, section: Transfer, used_U: NDArray[np.int64], near_UK: NDArray[np.int64], generator: np.random.Generator,
    *, kind: Literal["replace", "drop", "join"],
) -> Rows:  # fmt: skip
    """Make one copy. A document's first and last token, which frame it, stay."""
    match kind:
        case "replace":
            ids = np.array(rows.arrays.ids)
            hit = np.flatnonzero(inner_tokens(rows.arrays) & (generator.random(len(ids)) < section.replace_words))
            ids[hit] = near_UK[np.searchsorted(used_U, ids[hit]), generator.integers(near_UK.shape[1], size=len(hit))]
            return Rows(Arrays(ids=ids, offsets=rows.arrays.offsets), rows.labels)
        case "drop":
            kept = ~(inner_tokens(rows.arrays) & (generator.random(len(rows.arrays.ids)) < section.drop_words))
            offsets = np.concatenate([[0], np.cumsum(kept)])[rows.arrays.offsets]
            return Rows(Arrays(ids=np.asarray(rows.arrays.ids)[kept], offsets=offsets), rows.labels)
        case "join":
            return _joined(rows, generator)


def _joined(rows: Rows, generator: np.random.Generator) -> Rows:
    """Put the beginning of one document before the end of another, cut to the longest document there is."""
    n, longest = len(rows), int(rows.lengths.max())
    first, second = generator.permutation(n), generator.permutation(n)
    heads, tails = take(rows.arrays, first), take(rows.arrays, second)
    documents = []
    for place, (begin, end) in enumerate(zip(generator.uniform(0.3, 1.0, n), generator.uniform(0.0, 0.7, n), strict=True)):
        head = heads.ids[heads.offsets[place] : heads.offsets[place + 1]]
        tail = tails.ids[tails.offsets[place] : tails.offsets[place + 1]]
        body = np.concatenate([head[: max(1, round(begin * (len(head) - 1)))], tail[max(1, round(end * (len(tail) - 1))) :]])
        documents.append(body if len(body) <= longest else np.concatenate([body[: longest - 1], body[-1:]]))
    return Rows(ragged(documents), rows.labels[first])
