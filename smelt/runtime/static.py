"""Run a static network in numpy: gather, weighted mean, one hidden layer.

Shape letters: B examples, T tokens of all of them, V vocabulary, D width, H hidden, C classes.
"""

from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from smelt.runtime.tensors import read_tensors
from smelt.types import Arrays

GRAPH = "static.safetensors"
_EPSILON = np.float32(1e-5)
_SHAPES = {
    "embedding": "VD",
    "weight": "V1",
    "norm_scale": "D",
    "norm_shift": "D",
    "inner": "HD",
    "inner_bias": "H",
    "outer": "CH",
    "outer_bias": "C",
}


@final
class StaticSession:
    """Scores as `models.static.StaticNetwork` gives them, without padding."""

    runtime = "numpy"
    precision = "fp32"

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Read the matrices.

        Raises:
            BundleFault: they are damaged.
        """
        self.threads = threads
        tensors = read_tensors(folder / GRAPH, _SHAPES)
        self._weighted_VD = tensors["embedding"] * tensors["weight"]
        self._weight_V = tensors["weight"][:, 0]
        self._tensors = tensors

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        tensors = self._tensors
        mean_BD = self._mean(arrays)
        centered = mean_BD - mean_BD.mean(axis=1, keepdims=True)
        normal = centered / np.sqrt((centered * centered).mean(axis=1, keepdims=True) + _EPSILON)
        hidden = (normal * tensors["norm_scale"] + tensors["norm_shift"]) @ tensors["inner"].T + tensors["inner_bias"]
        hidden *= np.float32(0.5) * (np.float32(1) + erf(hidden * np.float32(0.70710678)))
        return np.asarray(hidden @ tensors["outer"].T + tensors["outer_bias"], np.float32)

    def _mean(self, arrays: Arrays) -> NDArray[np.float32]:
        """Sum of the weighted embeddings over the sum of the weights; zeros for a text without tokens. Shape (B, D)."""
        filled = np.diff(arrays.offsets) > 0
        mean_BD = np.zeros((len(arrays), self._weighted_VD.shape[1]), np.float32)
        if filled.any():
            starts = arrays.offsets[:-1][filled]
            sums = np.add.reduceat(self._weighted_VD[arrays.ids], starts, axis=0)
            mean_BD[filled] = sums / np.add.reduceat(self._weight_V[arrays.ids], starts)[:, None]
        return mean_BD
