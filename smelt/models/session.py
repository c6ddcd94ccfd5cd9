"""A live module as a Session."""

from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.models.network import Network
from smelt.tasks.padding import pad
from smelt.types import Arrays


@final
class LiveSession:
    """Scores by the torch module itself, padded to the longest example of the batch."""

    runtime = "torch"

    def __init__(self, network: Network, *, threads: int, precision: str = "fp32") -> None:
        """Take a module; it moves to the CPU and is switched to evaluation."""
        self.network = network.cpu().eval()
        self.threads = threads
        self.precision = precision

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        torch.set_num_threads(self.threads)
        ids, mask = pad(arrays)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return self.network(torch.from_numpy(ids), torch.from_numpy(mask)).float().numpy()
