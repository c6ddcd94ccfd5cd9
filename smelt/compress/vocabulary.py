"""Train a student on the tokens that occur, and give it back its whole vocabulary: an optimizer step costs what its matrices hold.

Shape letters: V tokens of the vocabulary, U tokens that occur.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.models.network import Network
from smelt.train.rows import Rows
from smelt.types import Arrays


def used_tokens(*splits: Rows) -> NDArray[np.int64]:
    """Return the token numbers that occur, ascending. Shape (U,)."""
    return np.unique(np.concatenate([np.unique(rows.arrays.ids) for rows in splits])).astype(np.int64)


def renumber(rows: Rows, used_U: NDArray[np.int64]) -> Rows:
    """Return the same documents in token numbers below U; every token of them is in `used_U`."""
    numbers = np.searchsorted(used_U, rows.arrays.ids).astype(np.int32)
    return Rows(Arrays(ids=numbers, offsets=rows.arrays.offsets), rows.labels)


def shrink(network: Network, used_U: NDArray[np.int64]) -> Network:
    """Return a copy whose tables of tokens hold only the rows that are used."""
    small = copy.deepcopy(network)
    small.keep_tokens(torch.from_numpy(used_U))
    return small


def grow(small: Network, network: Network, used_U: NDArray[np.int64]) -> Network:
    """Return a copy of the whole network with what the small one learned; tokens that never occurred stay as they were."""
    whole = copy.deepcopy(network)
    tables = dict(zip(map(id, whole.token_tables()), small.token_tables(), strict=True))
    names = {f"{name}.weight" for name, module in whole.named_modules() if id(module) in tables}
    names |= {name for name, _ in whole.named_buffers()}  # such as the token numbers of pairs
    with torch.no_grad():
        for table in whole.token_tables():
            table.weight[torch.from_numpy(used_U)] = tables[id(table)].weight
    whole.load_state_dict({name: tensor for name, tensor in small.state_dict().items() if name not in names}, strict=False)
    return whole
