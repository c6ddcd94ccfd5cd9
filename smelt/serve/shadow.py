"""A part of the texts is put to the reference too: does the bundle still answer as it did when it was certified?

Two statements, never mixed: a live certificate (with the stated confidence less than the margin is answered differently), offered only
where it can be reached; and an alarm (more is answered differently than certification bounded). Both hold at all times at once.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass

from smelt.runtime.bundle import Bundle
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits
from smelt.serve.service import Server
from smelt.serve.worker import Run
from smelt.verify.live import Bounds, disagreement_bounds

_MOST_WAITING = 64
"""Texts that wait for the reference; more are left out."""
_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What certification said of a bundle."""

    margin: float
    """Fraction of all answers that may be lost."""
    confidence: float
    disagreement: float
    """Share of confirm that was answered differently."""
    upper: float
    """Upper bound of that share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the comparison says now."""

    answered: int
    """Texts, since it began."""
    drawn: int
    """Of them, to be put to the reference."""
    compared: int
    left_out: int
    """Of those drawn: the reference was too busy."""
    share_wanted: float
    share_achieved: float
    label_bias: float
    """Total variation distance between the labels of all texts and of those compared. Fraction."""
    bounds: Bounds
    certificate: bool | None
    """Whether less than the margin is answered differently; None where certification itself saw more, so that it cannot be reached."""
    alarm: bool | None
    """Whether more is answered differently than certification bounded; None where nothing was certified."""


class Shadow:
    """Compares one bundle with its reference."""

    def __init__(self, reference: Bundle, share: float, promise: Promise | None, seed: int = 0) -> None:
        """Take what to compare with.

        Args:
            reference: the bundle to match.
            share: of the texts that are put to it. Fraction.
            promise: what certification said; None where nothing was certified.
            seed: of the draw.
        """
        self._server = Server(reference, Limits(wait_seconds=_SECONDS, deadline_seconds=_SECONDS))
        self._share, self._promise = share, promise
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered = self._drawn = self._compared = self._changed = self._left_out = 0
        self._bounds = disagreement_bounds(0, 0)
        self._all: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()

    def warm(self) -> None:
        """Let the reference answer batches of some shapes."""
        self._server.worker.warm()

    def start(self) -> None:
        """Begin, in the running event loop; the reference's thread gives way to all others."""
        self._server.worker.polite = True
        self._server.start()

    def stop(self) -> None:
        """End; what waits is not compared."""
        for task in list(self._tasks):
            task.cancel()
        self._server.stop()

    def hear(self, run: Run) -> None:
        """Take a batch of the bundle in; put some of its texts to the reference."""
        if run.answers is None:
            return
        for item, label in zip(run.items, run.answers.predictions, strict=True):
            self._answered += 1
            self._all[label] += 1
            if self._random.random() >= self._share:
                continue
            self._drawn += 1
            if len(self._tasks) >= _MOST_WAITING:
                self._left_out += 1
                continue
            task = asyncio.ensure_future(self._compare(item.payload.text, label))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _compare(self, text: str, label: str) -> None:
        try:
            reply = await self._server.classify([text])
        except Refusal:
            self._left_out += 1
            return
        self._compared += 1
        self._chosen[label] += 1
        self._changed += reply.answers[0].label != label

    def look(self) -> Seen:
        """Return what the comparison says now."""
        promise = self._promise
        if self._bounds.n != self._compared:
            self._bounds = disagreement_bounds(self._compared, self._changed, confidence=promise.confidence if promise else 0.95)
        bounds = self._bounds
        reachable = promise is not None and promise.disagreement < promise.margin
        return Seen(
            answered=self._answered, drawn=self._drawn, compared=self._compared, left_out=self._left_out, share_wanted=self._share,
            share_achieved=self._compared / max(1, self._answered), label_bias=_distance(self._all, self._chosen), bounds=bounds,
            certificate=bounds.upper < promise.margin if promise and reachable else None,
            alarm=bounds.lower > promise.upper if promise else None,
        )  # fmt: skip


def _distance(first: Counter[str], second: Counter[str]) -> float:
    if not second:
        return 0.0
    return sum(abs(first[label] / first.total() - second[label] / second.total()) for label in first) / 2
