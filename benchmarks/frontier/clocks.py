"""Time any function from texts to answers as `smelt.runtime.bench` times sessions."""

from collections.abc import Callable, Sequence

import numpy as np

from smelt.runtime.bench import Workload, time_session
from smelt.types import Timing


class _Codec:
    """Hands texts through: the peer encodes and decodes itself."""

    def encode(self, texts: Sequence[str]) -> Sequence[str]:
        return texts

    def decode(self, answers: object) -> object:
        return answers


class _Session:
    def __init__(self, answer: Callable, set_threads: Callable[[int], None], threads: int) -> None:
        self._answer, self._set_threads, self._threads = answer, set_threads, threads

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        self._set_threads(self._threads)
        return self._answer(list(texts))


def time_calls(answer: Callable, load: Workload, set_threads: Callable[[int], None]) -> Timing:
    """Return what `answer` costs, at the better of the workload's thread counts."""
    return time_session(lambda threads: _Session(answer, set_threads, threads), _Codec(), load)
