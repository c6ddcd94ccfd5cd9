"""How long a batch of some shape takes here, learned from the batches that were run."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

_MEMORY = 0.98
"""What a measured batch still counts for after the next one."""
_LEAST_SECONDS = 1e-6
_EVERY = 8
"""Batches between two fits."""


class Cost:
    """Seconds of a batch: a + b · tokens + c · texts · longest². Tokens include padding where the runtime pads.

    The three numbers are the nonnegative least squares over past batches, each weighed by the inverse of its duration, so that
    short ones count too; old ones fade.
    """

    def __init__(self, *, pads: bool) -> None:
        """Know nothing yet.

        Args:
            pads: whether every text of a batch costs as much as the longest one.
        """
        self.pads = pads
        self.factors = (1e-4, 1e-6, 0.0)
        self._moments, self._right, self._seen = np.eye(3) * 1e-12, np.zeros(3), 0

    def seconds(self, texts: int, longest: int, tokens: int) -> float:
        """Return what a batch is expected to take.

        Args:
            texts: how many.
            longest: tokens of the longest one.
            tokens: of all of them together.
        """
        start, token, square = self.factors
        return start + token * (texts * longest if self.pads else tokens) + square * texts * longest * longest

    def alone(self, tokens: int) -> float:
        """Return what one text is expected to take."""
        return self.seconds(1, tokens, tokens)

    def learn(self, lengths: Sequence[int], seconds: float) -> None:
        """Take a batch's real duration in."""
        texts, longest = len(lengths), max(lengths)
        shape = np.array([1.0, texts * longest if self.pads else sum(lengths), texts * longest**2])
        self._moments = self._moments * _MEMORY + np.outer(shape, shape) / max(seconds, _LEAST_SECONDS)
        self._right = self._right * _MEMORY + shape
        self._seen += 1
        if self._seen < _EVERY or self._seen % _EVERY == 0:
            self._fit()

    def _fit(self) -> None:
        scale = 1.0 / np.sqrt(np.diag(self._moments))
        normal = self._moments * np.outer(scale, scale) + np.eye(3) * 1e-6
        root = np.linalg.cholesky(normal)
        found, _ = nnls(root.T, np.linalg.solve(root, self._right * scale))
        start, token, square = (found * scale).tolist()
        self.factors = (max(start, _LEAST_SECONDS), token, square)
