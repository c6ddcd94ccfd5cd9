"""Scores of a live module on encoded rows."""

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.models.network import Network
from smelt.tasks.padding import pad
from smelt.train.device import device_of
from smelt.train.loader import BatchShape, score_batches
from smelt.train.rows import Rows


def score_rows(network: Network, rows: Rows, shape: BatchShape, *, classes: int, precision: str) -> NDArray[np.float32]:
    """Return class scores in the order of the rows, computed where the network is. Shape (n, C)."""
    network.eval()
    device = device_of(network)
    scores = np.empty((len(rows), classes), np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for numbers in score_batches(rows, shape):
            ids, mask = pad(rows.take(numbers))
            scores[numbers] = network(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)).float().cpu().numpy()
    return scores
