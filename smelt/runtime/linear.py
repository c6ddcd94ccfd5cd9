"""Run a TF-IDF linear model in numpy.

Shape letters: B examples, T n-grams of all of them, V vocabulary, C classes.
"""

from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from smelt.runtime.tensors import read_tensors
from smelt.types import Arrays

GRAPH = "linear.safetensors"


@final
class LinearSession:
    """Scores as scikit-learn's `TfidfTransformer(sublinear_tf=True)` and a linear classifier give them."""

    runtime = "numpy"
    precision = "fp32"

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Read the matrices.

        Raises:
            BundleFault: they are damaged.
        """
        self.threads = threads
        tensors = read_tensors(folder / GRAPH, {"idf": "V", "weights": "CV", "bias": "C"})
        self._idf_V, self._bias_C = tensors["idf"], tensors["bias"]
        self._weights_VC = np.ascontiguousarray(tensors["weights"].T)

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return decision values, shape (B, C)."""
        ones = np.ones(len(arrays.ids), np.float32)
        # A copy, because summing duplicates sorts and shortens the indices where they lie.
        counts = csr_matrix((ones, arrays.ids, arrays.offsets), shape=(len(arrays), len(self._idf_V)), copy=True)
        counts.sum_duplicates()
        counts.data = (np.log(counts.data) + np.float32(1)) * self._idf_V[counts.indices]
        norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1), np.float32))
        scores = (counts @ self._weights_VC) / np.maximum(norms, 1e-12) + self._bias_C
        return np.asarray(scores, np.float32)
