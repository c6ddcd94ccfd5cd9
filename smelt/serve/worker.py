"""The thread that runs batches: it takes them from a queue, asks a session, and hands the answers back to the event loop."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from smelt.runtime.bundle import Bundle
from smelt.serve.cost import Cost
from smelt.serve.limits import Limits
from smelt.serve.priority import give_way
from smelt.serve.queue import Item, Queue
from smelt.tasks.classify import Answers
from smelt.types import Arrays

_LOG = logging.getLogger("smelt.serve")
_WARM_SHAPES = ((1, 8), (8, 8), (1, 64), (8, 64), (1, 16), (4, 32))
"""Texts and tokens of the batches that a bundle answers before it is ready."""
_STOP_SECONDS = 10.0
_USUAL_BATCH = 8


@dataclass(frozen=True, slots=True)
class Run:
    """One batch that was run."""

    items: Sequence[Item]
    answers: Answers | None
    """None: the session failed."""
    started: float
    seconds: float


class Worker:
    """Runs what waits for one bundle."""

    def __init__(self, bundle: Bundle, limits: Limits, *, done: Callable[[Run], None], expired: Callable[[Sequence[Item]], None]) -> None:
        """Take the bundle; `start` begins.

        Args:
            bundle: to ask.
            limits: of a batch.
            done: hears of every batch, in the event loop.
            expired: hears of texts that came too late, in the event loop.
        """
        self.bundle = bundle
        # Windows cut long documents themselves; what counts then is their number, not the longest document.
        self.cost = Cost(pads=bundle.manifest.runtime != "numpy" and bundle.codec.windows is None)
        self.queue = Queue(self.cost, limits)
        self.busy_until = 0.0
        self.polite = False
        """Whether its thread gives way to all others."""
        self._done, self._expired = done, expired
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"smelt-{bundle.manifest.name}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def warm(self) -> None:
        """Answer batches of some shapes, so that the first client does not wait for it, and learn what they cost."""
        for texts, tokens in _WARM_SHAPES * 2:
            arrays = self._sample(texts, tokens)
            started = time.perf_counter()
            self.bundle.codec.decode(self.bundle.session.scores(arrays))
            self.cost.learn(np.diff(arrays.offsets).tolist(), time.perf_counter() - started)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work for this event loop."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """Work off what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def add(self, items: Sequence[Item]) -> None:
        """Let texts wait."""
        with self._changed:
            for item in items:
                self.queue.add(item)
            self._changed.notify()

    def discard(self, items: Sequence[Item]) -> None:
        """Forget texts that nobody waits for."""
        with self._changed:
            self.queue.discard(items)

    def waiting_seconds(self, now: float, enough: float = math.inf) -> float:
        """Return about how long all that waits will take; where that is more than `enough`, what a text that comes now has ahead of it."""
        start, token, _ = self.cost.factors
        running = max(0.0, self.busy_until - now)
        with self._changed:
            texts, tokens = len(self.queue), self.queue.tokens
            if running + token * tokens + start * texts / _USUAL_BATCH > enough:
                texts, tokens = self.queue.ahead_of(now)
        return running + token * tokens + start * texts / _USUAL_BATCH

    def _sample(self, texts: int, tokens: int) -> Arrays:
        """Return texts of about so many tokens, made of what the codec knows."""
        return self.bundle.codec.encode([" ".join(["the"] * max(1, tokens - 2))] * texts)

    def _work(self) -> None:
        if self.polite:
            give_way()
        while True:
            with self._changed:
                while not len(self.queue) and not self._stopping:
                    self._changed.wait()
                if not len(self.queue):
                    return
                batch, expired = self.queue.take(time.monotonic())
                if batch:
                    lengths = [item.tokens for item in batch]
                    self.busy_until = time.monotonic() + self.cost.seconds(len(batch), max(lengths), sum(lengths))
            if expired:
                self._tell(self._expired, expired)
            for run in self._runs(batch) if batch else ():
                self._tell(self._done, run)

    def _runs(self, batch: Sequence[Item]) -> Iterator[Run]:
        """Run a batch; where it fails, each text by itself, so that one that the model cannot bear fails alone."""
        run = self._run(batch)
        if run.answers is not None or len(batch) == 1:
            yield run
        else:
            yield from (self._run([item]) for item in batch)

    def _run(self, batch: Sequence[Item]) -> Run:
        started, clock = time.monotonic(), time.perf_counter()
        arrays = _joined([item.payload.ids for item in batch])
        try:
            answers = self.bundle.codec.decode(self.bundle.session.scores(arrays))
            answers = answers if np.isfinite(answers.probabilities).all() else None
        except Exception as error:  # noqa: BLE001  a batch that fails must not end the thread that all others wait for
            _LOG.warning("%s: a batch of %d failed: %s: %s", self.bundle.manifest.name, len(batch), type(error).__name__, error)
            answers = None
        seconds = time.perf_counter() - clock
        with self._changed:
            self.cost.learn([max(1, item.tokens) for item in batch], seconds)
        return Run(batch, answers, started, seconds)

    def _tell(self, hear: Callable, what: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(hear, what)
        except RuntimeError:  # the loop was closed: nobody waits any more
            return


def _joined(parts: Sequence[np.ndarray]) -> Arrays:
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return Arrays(ids=np.concatenate(parts) if parts else np.zeros(0, np.int32), offsets=offsets)
