"""A session that reads long documents by windows: each is scored by the graph, their scores are pooled."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from smelt.tasks.padding import take
from smelt.tasks.windows import Windows, pool_scores, split_windows
from smelt.types import Arrays, Session

_AT_ONCE = 32


@final
class WindowSession:
    """Scores of whole documents from a graph that reads windows."""

    def __init__(self, graph: Session, windows: Windows) -> None:
        """Take the graph's session over."""
        self._graph, self._windows = graph, windows
        self.runtime, self.precision, self.threads = graph.runtime, graph.precision, graph.threads

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        pieces, counts = split_windows(arrays, self._windows)
        parts = [take(pieces, np.arange(start, min(start + _AT_ONCE, len(pieces)))) for start in range(0, len(pieces), _AT_ONCE)]
        scores = np.concatenate([self._graph.scores(part) for part in parts]) if parts else self._graph.scores(pieces)
        return pool_scores(scores, counts, self._windows.pool)
