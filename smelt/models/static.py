"""Static embeddings: each token has a vector and a weight; their weighted mean is classified. No attention, no order.

Shape letters: B batch, S sequence, V vocabulary, D width, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smelt.models.network import Network


@dataclass(frozen=True, kw_only=True)
class StaticSizes:
    """Sizes of a `StaticNetwork`."""

    vocabulary: int
    dim: int
    hidden: int
    classes: int
    dropout: float = 0.2


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
        self.norm = nn.LayerNorm(sizes.dim)
        self.dropout = nn.Dropout(sizes.dropout)
        self.inner = nn.Linear(sizes.dim, sizes.hidden)
        self.outer = nn.Linear(sizes.hidden, sizes.classes)

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        strength_BS = self.weight(ids_BS).squeeze(-1).masked_fill(mask_BS == 0, torch.finfo(torch.float32).min)
        # The product with the mask makes the mean of a document without tokens zero.
        weight_BS = strength_BS.softmax(dim=1) * mask_BS
        mean_BD = torch.einsum("bs,bsd->bd", weight_BS, self.embedding(ids_BS))
        hidden_BH = nn.functional.gelu(self.inner(self.dropout(self.norm(mean_BD))))
        return self.outer(self.dropout(hidden_BH))
