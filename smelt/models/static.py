"""Static embeddings: each token has a vector and a weight; their weighted mean is classified. No attention.

Nor is there any order but that of frequent pairs of neighbors, which may have vectors of their own, and of the places near a document's
start and end, which may have weights of their own.

Shape letters: B batch, S sequence, V vocabulary, D width, C classes, P pairs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smelt.models.network import Network

_SHY = -1.0
"""Weight of a new pair, before the softmax: it begins with about a third of a token's share."""


@dataclass(frozen=True, kw_only=True)
class StaticSizes:
    """Sizes of a `StaticNetwork`."""

    vocabulary: int
    dim: int
    hidden: int
    classes: int
    dropout: float = 0.2
    pairs: int = 0
    """Pairs of neighboring tokens that have a vector of their own."""
    positions: int = 0
    """Places at the start, and as many at the end, that have a weight of their own."""


class StaticNetwork(Network):
    """Weighted mean of token embeddings → norm → one hidden layer → scores. The weights are a softmax over the document's tokens."""

    family = "static"

    def __init__(self, sizes: StaticSizes) -> None:
        """Build with random embeddings and equal weights."""
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.dim)
        self.weight = nn.Embedding(sizes.vocabulary, 1)
        nn.init.zeros_(self.weight.weight)
        self.pair_keys: Tensor
        self.register_buffer("pair_keys", torch.zeros(sizes.pairs, dtype=torch.int64) if sizes.pairs else None)
        self.pairs = nn.Embedding(sizes.pairs, sizes.dim) if sizes.pairs else None
        self.pair_weight = nn.Embedding(sizes.pairs, 1) if sizes.pairs else None
        # The last row stands for all places that are further in.
        self.starts = nn.Parameter(torch.zeros(sizes.positions + 1)) if sizes.positions else None
        self.ends = nn.Parameter(torch.zeros(sizes.positions + 1)) if sizes.positions else None
        self.norm = nn.LayerNorm(sizes.dim)
        self.dropout = nn.Dropout(sizes.dropout)
        self.inner = nn.Linear(sizes.dim, sizes.hidden)
        self.outer = nn.Linear(sizes.hidden, sizes.classes)

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        strength_BS, vectors_BSD = self.weight(ids_BS).squeeze(-1), self.embedding(ids_BS)
        if self.starts is not None and self.ends is not None:
            place_BS = mask_BS.cumsum(1) - 1
            last = len(self.starts) - 1
            from_end_BS = (mask_BS.sum(1, keepdim=True) - 1 - place_BS).clamp(0, last)
            strength_BS = strength_BS + self.starts[place_BS.clamp(0, last)] + self.ends[from_end_BS]
        if self.pairs is not None and self.pair_weight is not None and ids_BS.shape[1] > 1:
            places_BS, known_BS = self._find_pairs(ids_BS, mask_BS)
            strength_BS = torch.cat([strength_BS, self.pair_weight(places_BS).squeeze(-1)], dim=1)
            vectors_BSD = torch.cat([vectors_BSD, self.pairs(places_BS)], dim=1)
            mask_BS = torch.cat([mask_BS, known_BS], dim=1)
        strength_BS = strength_BS.masked_fill(mask_BS == 0, torch.finfo(torch.float32).min)
        # The product with the mask makes the mean of a document without tokens zero.
        weight_BS = strength_BS.softmax(dim=1) * mask_BS
        mean_BD = torch.einsum("bs,bsd->bd", weight_BS, vectors_BSD)
        hidden_BH = nn.functional.gelu(self.inner(self.dropout(self.norm(mean_BD))))
        return self.outer(self.dropout(hidden_BH))

    def teach_pairs(self, pairs_P2: Tensor) -> None:
        """Set which pairs have vectors, rising; each begins as the mean of its tokens', with little weight."""
        assert self.pairs is not None
        assert self.pair_weight is not None
        with torch.no_grad():
            self.pair_keys.copy_(pairs_P2[:, 0] * self.embedding.num_embeddings + pairs_P2[:, 1])
            self.pairs.weight.copy_(self.embedding(pairs_P2).mean(dim=1))
            self.pair_weight.weight.fill_(_SHY)

    def token_tables(self) -> list[nn.Embedding]:
        """Return the tables that have one row per token."""
        return [self.embedding, self.weight]

    def keep_tokens(self, kept_U: Tensor) -> None:
        """Throw out the rows of all other tokens, in place; pairs of thrown-out tokens can occur no more."""
        size = self.embedding.num_embeddings
        super().keep_tokens(kept_U)
        if self.pairs is None:
            return
        first, second = self.pair_keys // size, self.pair_keys % size
        places = [torch.searchsorted(kept_U, part).clamp(max=len(kept_U) - 1) for part in (first, second)]
        lost = (kept_U[places[0]] != first) | (kept_U[places[1]] != second)
        keys = (places[0] * len(kept_U) + places[1]).masked_fill(lost, -1)
        # A key of -1 matches no pair of tokens; searching wants them sorted, so the tables follow.
        order = keys.argsort(stable=True)
        self.pair_keys.copy_(keys[order])
        for table in (self.pairs, self.pair_weight):
            if table is not None:
                table.weight = nn.Parameter(table.weight.detach()[order])

    def _find_pairs(self, ids_BS: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return for each token but the last where its pair with the next one stands, and 1 where there is one."""
        keys_BS = ids_BS[:, :-1] * self.embedding.num_embeddings + ids_BS[:, 1:]
        places_BS = torch.searchsorted(self.pair_keys, keys_BS).clamp(max=len(self.pair_keys) - 1)
        return places_BS, (self.pair_keys[places_BS] == keys_BS).long() * mask_BS[:, :-1] * mask_BS[:, 1:]
