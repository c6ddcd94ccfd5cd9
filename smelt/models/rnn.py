"""Recurrent networks over token embeddings: Elman, GRU and LSTM cells, one or both directions.

Shape letters: B batch, S sequence, D width, H state of all directions, C classes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from smelt.models.network import Network

Cell = Literal["rnn", "gru", "lstm"]
_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True, kw_only=True)
class RnnSizes:
    """Sizes of an `RnnNetwork`."""

    vocabulary: int
    dim: int
    cell: Cell
    hidden: int
    classes: int
    layers: int = 1
    bidirectional: bool = True
    dropout: float = 0.2


class RnnNetwork(Network):
    """Embeddings → recurrent layers → mean of the states → scores.

    The backward direction reads each document turned around within its own length, so that padding comes last both ways and
    changes nothing.
    """

    family = "rnn"

    def __init__(self, sizes: RnnSizes) -> None:
        """Build with random weights."""
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.dim)
        directions = 2 if sizes.bidirectional else 1
        widths = [sizes.dim] + [sizes.hidden * directions] * (sizes.layers - 1)
        cell = _CELLS[sizes.cell]
        self.forward_cells = nn.ModuleList(cell(width, sizes.hidden, batch_first=True) for width in widths)
        self.backward_cells = nn.ModuleList(cell(width, sizes.hidden, batch_first=True) for width in widths if sizes.bidirectional)
        self.dropout = nn.Dropout(sizes.dropout)
        self.outer = nn.Linear(sizes.hidden * directions, sizes.classes)

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        turned_BS = _turned(mask_BS)
        states_BSH = self.embedding(ids_BS)
        for layer, forward_cell in enumerate(self.forward_cells):
            ways = [forward_cell(states_BSH)[0]]
            if len(self.backward_cells):
                backward_BSH = self.backward_cells[layer](_reorder(states_BSH, turned_BS))[0]
                ways.append(_reorder(backward_BSH, turned_BS))
            states_BSH = self.dropout(torch.cat(ways, dim=2))
        weight_BS1 = (mask_BS / mask_BS.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(-1)
        return self.outer((states_BSH * weight_BS1).sum(dim=1))


def _turned(mask_BS: Tensor) -> Tensor:
    """Return for each place the place it takes when the document, without its padding, is turned around."""
    place_S = torch.arange(mask_BS.shape[1], device=mask_BS.device)
    mirrored_BS = mask_BS.sum(dim=1, keepdim=True) - 1 - place_S
    return torch.where(mirrored_BS >= 0, mirrored_BS, place_S)


def _reorder(states_BSH: Tensor, places_BS: Tensor) -> Tensor:
    """Take the states of each document in another order."""
    return states_BSH.gather(1, places_BS.unsqueeze(-1).expand(-1, -1, states_BSH.shape[2]))
