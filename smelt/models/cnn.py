"""Text CNN: filters slide over token embeddings, the strongest answer of each counts. Kim 2014, arXiv 1408.5882.

Shape letters: B batch, S sequence, D width, F filters, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smelt.models.network import Network


@dataclass(frozen=True, kw_only=True)
class CnnSizes:
    """Sizes of a `CnnNetwork`."""

    vocabulary: int
    dim: int
    filters: int
    kernels: Sequence[int]
    classes: int
    dropout: float = 0.3


class CnnNetwork(Network):
    """Embeddings → convolutions of several widths → maximum over time → scores.

    Every position of the document starts one window; a window that runs past the end sees zeros, so padding changes nothing.
    """

    family = "cnn"

    def __init__(self, sizes: CnnSizes) -> None:
        """Build with random weights."""
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.dim)
        self.convolutions = nn.ModuleList(nn.Conv1d(sizes.dim, sizes.filters, width) for width in sizes.kernels)
        self.overhang = max(sizes.kernels) - 1
        self.dropout = nn.Dropout(sizes.dropout)
        self.outer = nn.Linear(sizes.filters * len(sizes.kernels), sizes.classes)

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        states_BDS = (self.embedding(ids_BS) * mask_BS.unsqueeze(-1)).transpose(1, 2)
        length = ids_BS.shape[1]
        padded = nn.functional.pad(states_BDS, (0, self.overhang))
        closed_B1S = (mask_BS == 0).unsqueeze(1)
        pooled = [
            torch.relu(convolution(padded))[:, :, :length].masked_fill(closed_B1S, 0.0).amax(dim=2) for convolution in self.convolutions
        ]
        return self.outer(self.dropout(torch.cat(pooled, dim=1)))
