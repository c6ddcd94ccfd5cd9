"""Run a static network in numpy: gather, weighted mean, one hidden layer.

Shape letters: B examples, T tokens of all of them, V vocabulary, D width, H hidden, C classes, P pairs, L places.
"""

from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from smelt.errors import BundleFault
from smelt.language import say
from smelt.runtime.tensors import has_tensor, read_tensors
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

_PLACE_SHAPES = {"starts": "L", "ends": "L"}
_PAIR_SHAPES = {"pair_tokens": "P2", "pairs": "PD", "pair_weight": "P1"}


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
        paired, placed = has_tensor(folder / GRAPH, "pairs"), has_tensor(folder / GRAPH, "starts")
        shapes = _SHAPES | (_PAIR_SHAPES if paired else {}) | (_PLACE_SHAPES if placed else {})
        tensors = read_tensors(folder / GRAPH, shapes)
        self._weighted_VD = tensors["embedding"] * tensors["weight"]
        self._weight_V = tensors["weight"][:, 0]
        self._tensors = tensors
        self._placed = placed
        self._keys_P = _keys(folder, tensors["pair_tokens"], len(self._weight_V)) if paired else None
        self._pairs_PD = tensors["pairs"] * tensors["pair_weight"] if paired else None

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
        """Sum of the weighted vectors over the sum of the weights; zeros for a text without tokens. Shape (B, D)."""
        filled = np.diff(arrays.offsets) > 0
        mean_BD = np.zeros((len(arrays), self._weighted_VD.shape[1]), np.float32)
        if filled.any():
            starts = arrays.offsets[:-1][filled]
            vectors_TD, weight_T = self._weighted_VD[arrays.ids], self._weight_V[arrays.ids]
            if self._placed:
                factor_T = self._place_weights(arrays)
                vectors_TD, weight_T = vectors_TD * factor_T[:, None], weight_T * factor_T
            sums = np.add.reduceat(vectors_TD, starts, axis=0)
            weights = np.add.reduceat(weight_T, starts)
            if self._keys_P is not None and self._pairs_PD is not None:
                self._add_pairs(arrays, filled, sums, weights)
            mean_BD[filled] = sums / weights[:, None]
        return mean_BD

    def _place_weights(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return what each token counts for where it stands: so far from the start, so far from the end."""
        starts, ends = self._tensors["starts"], self._tensors["ends"]
        lengths, last = np.diff(arrays.offsets), len(starts) - 1
        place_T = np.arange(len(arrays.ids)) - np.repeat(arrays.offsets[:-1], lengths)
        from_end_T = np.repeat(lengths, lengths) - 1 - place_T
        return starts[np.minimum(place_T, last)] * ends[np.minimum(from_end_T, last)]

    def _add_pairs(self, arrays: Arrays, filled: NDArray[np.bool_], sums: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Add the vectors and weights of the known pairs of neighbors to those of their documents, in place."""
        assert self._keys_P is not None
        assert self._pairs_PD is not None
        owner_T = np.repeat(np.arange(int(filled.sum())), np.diff(arrays.offsets)[filled])
        ids_T = arrays.ids.astype(np.int64)
        keys = ids_T[:-1] * len(self._weight_V) + ids_T[1:]
        places = np.minimum(np.searchsorted(self._keys_P, keys), len(self._keys_P) - 1)
        hits = np.flatnonzero((self._keys_P[places] == keys) & (owner_T[:-1] == owner_T[1:]))
        if len(hits):
            owners, firsts = np.unique(owner_T[hits], return_index=True)
            sums[owners] += np.add.reduceat(self._pairs_PD[places[hits]], firsts, axis=0)
            weights[owners] += np.add.reduceat(self._tensors["pair_weight"][places[hits], 0], firsts)


def _keys(folder: Path, tokens_P2: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """Return one number per pair, rising.

    Raises:
        BundleFault: the pairs are no pairs of tokens, or out of order.
    """
    pairs_P2 = tokens_P2.astype(np.int64)
    keys_P = pairs_P2[:, 0] * size + pairs_P2[:, 1]
    if (pairs_P2 != tokens_P2).any() or pairs_P2.min() < 0 or pairs_P2.max() >= size or (np.diff(keys_P) <= 0).any():
        raise BundleFault(say("{path}: tensor '{name}' does not fit the others", path=folder / GRAPH, name="pair_tokens"))
    return keys_P
