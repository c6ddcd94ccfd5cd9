"""Texts in, answers out: admission, one computation for identical texts, deadlines, clients that leave. No HTTP here."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smelt.language import say
from smelt.runtime.bundle import Bundle
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits
from smelt.serve.queue import Item
from smelt.serve.worker import Run, Worker

_INLINE_CHARACTERS = 2_000
"""So much text is encoded in the event loop: handing it to a thread would take longer."""
_CHARACTERS_PER_TOKEN = 4
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one text."""

    label: str
    confidence: float
    """Calibrated probability of the label."""
    probabilities: NDArray[np.float32]
    """In the order of the model's labels. Shape (C,)."""
    tokens: int
    truncated: bool
    """Whether the model read only a part of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answers to a request, in its order, and where its time went, in seconds."""

    answers: Sequence[Answer]
    tokens: int
    tokenization: float
    queue: float
    """Of the text that waited longest."""
    inference: float
    """Of the slowest batch."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """A request that waits for its answers."""

    future: "asyncio.Future[None]"
    answers: list[Answer | None]
    missing: int
    queue: float = 0.0
    inference: float = 0.0

    def fail(self, refusal: Refusal) -> None:
        if not self.future.done():
            self.future.set_exception(refusal)

    def put(self, place: int, answer: Answer) -> None:
        if self.answers[place] is None:
            self.answers[place] = answer
            self.missing -= 1
        if not self.missing and not self.future.done():
            self.future.set_result(None)


@dataclass(slots=True, eq=False)
class _Text:
    """What an item carries."""

    text: str
    ids: NDArray[np.int32]
    truncated: bool
    came: float
    tickets: list[tuple[_Ticket, int]] = field(default_factory=list)


Hear = Callable[[Run], None]


class Server:
    """One bundle that answers. Everything here happens in the event loop but for batches, and the encoding of long texts."""

    def __init__(self, bundle: Bundle, limits: Limits) -> None:
        """Take a bundle."""
        self.bundle, self._limits = bundle, limits
        self._hearers: list[Hear] = []
        self.worker = Worker(bundle, limits, done=self._done, expired=self._expired)
        self._pending: dict[str, Item] = {}
        self._inside = 0
        self._threads = ThreadPoolExecutor(1, "smelt-encode")

    def hear(self, hearer: Hear) -> None:
        """Tell somebody of every batch, in the event loop."""
        self._hearers.append(hearer)

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self.worker.start(asyncio.get_running_loop())

    def stop(self) -> None:
        """Answer the requests that are inside, then end; blocks, but not the event loop's thread."""
        end = time.monotonic() + self._limits.deadline_seconds
        while self._inside and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        self.worker.stop()
        self._threads.shutdown()

    async def classify(self, texts: Sequence[str], *, seconds: float | None = None, truncate: bool = True) -> Reply:
        """Answer some texts. Until they are answered the server does not stop.

        Args:
            texts: at least one.
            seconds: after which the client will not want the answers any more; None takes the server's own limit.
            truncate: whether a text may be cut that is longer than the model reads.

        Raises:
            Refusal: the server is too busy, the deadline has passed, a text is too long, or the model failed.
        """
        self._inside += 1
        try:
            return await self._classify(texts, seconds, truncate=truncate)
        finally:
            self._inside -= 1

    async def _classify(self, texts: Sequence[str], seconds: float | None, *, truncate: bool) -> Reply:
        came = time.monotonic()
        deadline = came + min(self._limits.deadline_seconds, seconds or np.inf)
        self.admit(sum(len(text) // _CHARACTERS_PER_TOKEN + 1 for text in texts), came, deadline)
        clock = time.perf_counter()
        try:
            async with asyncio.timeout(deadline - came):
                found = await self._encode(texts)
        except TimeoutError:
            raise _late() from None
        tokenization = time.perf_counter() - clock
        if not truncate and any(one.truncated for one in found):
            raise Refusal(
                "too_large", say("a text is longer than the {n} tokens that the model reads", n=self._most_tokens()), parameter="truncate"
            )
        ticket = _Ticket(asyncio.get_running_loop().create_future(), [None] * len(found), len(found))
        items = self._enter(found, ticket, came, deadline)
        try:
            await asyncio.wait_for(ticket.future, deadline - time.monotonic())
        except TimeoutError:
            raise _late() from None
        finally:
            self._leave(items, ticket)
        answers = [answer for answer in ticket.answers if answer is not None]
        return Reply(
            answers=answers, tokens=sum(answer.tokens for answer in answers), tokenization=tokenization, queue=ticket.queue,
            inference=ticket.inference,
        )  # fmt: skip

    def admit(self, tokens: int, now: float, deadline: float) -> None:
        """Refuse at once what would wait too long.

        Raises:
            Refusal: the queue is full, or the deadline cannot be kept.
        """
        start, token, _ = self.worker.cost.factors
        most = min(self._limits.wait_seconds, deadline - now - start - token * tokens)
        wait = self.worker.waiting_seconds(now, most)
        if wait > most or self.worker.waiting_seconds(now) > self._limits.deadline_seconds:
            raise Refusal("overloaded", say("too many texts wait; try again later"), retry_after=wait - most)

    async def _encode(self, texts: Sequence[str]) -> list[_Text]:
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return self._encoded(texts)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._encoded, texts)

    def _encoded(self, texts: Sequence[str]) -> list[_Text]:
        codec, came = self.bundle.codec, time.monotonic()
        arrays = codec.encode(texts)
        ends = arrays.offsets.tolist()
        return [
            _Text(text, arrays.ids[start:end], codec.is_cut(text, end - start), came)
            for text, start, end in zip(texts, ends, ends[1:], strict=False)
        ]

    def _enter(self, found: Sequence[_Text], ticket: _Ticket, came: float, deadline: float) -> list[Item]:
        """Let texts wait; those that wait already wait for this request too.

        The texts of a request count as if they had come one after the other, so that a small request does not wait for all of a large one.
        """
        items, fresh, virtual = [], [], came
        for place, one in enumerate(found):
            item = self._pending.get(one.text)
            if item is None:
                item = Item(tokens=len(one.ids), arrived=virtual, deadline=deadline, payload=one)
                self._pending[one.text] = item
                fresh.append(item)
                virtual += self.worker.cost.alone(item.tokens)
            item.deadline = max(item.deadline, deadline)
            item.payload.tickets.append((ticket, place))
            items.append(item)
        self.worker.add(fresh)
        return items

    def _leave(self, items: Sequence[Item], ticket: _Ticket) -> None:
        """Forget what nobody waits for: the client has its answers, has left, or was too late."""
        if not ticket.missing:
            return
        lonely = []
        for item in items:
            item.payload.tickets = [(other, place) for other, place in item.payload.tickets if other is not ticket]
            if not item.payload.tickets and self._pending.get(item.payload.text) is item:
                del self._pending[item.payload.text]
                lonely.append(item)
        self.worker.discard(lonely)

    def _done(self, run: Run) -> None:
        for hearer in self._hearers:
            hearer(run)
        for number, item in enumerate(run.items):
            one = self._close(item)
            for ticket, place in one.tickets:
                if run.answers is None:
                    ticket.fail(Refusal("internal", say("the model failed on this request")))
                    continue
                ticket.queue, ticket.inference = max(ticket.queue, run.started - one.came), max(ticket.inference, run.seconds)
                answers = run.answers
                ticket.put(
                    place,
                    Answer(
                        answers.predictions[number], float(answers.confidences[number]), answers.probabilities[number], item.tokens,
                        one.truncated,
                    ),
                )  # fmt: skip

    def _expired(self, items: Sequence[Item]) -> None:
        for item in items:
            for ticket, _ in self._close(item).tickets:
                ticket.fail(_late())

    def _close(self, item: Item) -> _Text:
        if self._pending.get(item.payload.text) is item:
            del self._pending[item.payload.text]
        return item.payload

    def _most_tokens(self) -> int:
        return getattr(self.bundle.codec.encoder, "max_tokens", 0)


def _late() -> Refusal:
    return Refusal("deadline", say("the deadline passed before the answer was there"))
