"""Which of the waiting texts are run together, and which first. Nothing here knows threads, clocks or models.

The most urgent text is always in the next batch; those most like it in length join as long as that is cheaper than a batch of their own.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from smelt.serve.cost import Cost
from smelt.serve.limits import Limits

_PATIENCE = 0.05
"""Seconds after which a text is as urgent as one whose deadline is now: none waits for ever behind tight deadlines."""


@dataclass(slots=True, eq=False)
class Item:
    """One text that waits."""

    tokens: int
    arrived: float
    """Seconds, on the clock that `take` is called with."""
    deadline: float
    payload: Any = None
    gone: bool = field(default=False, compare=False)
    """Whether it was taken or discarded."""


class Queue:
    """The texts that wait for one model."""

    def __init__(self, cost: Cost, limits: Limits) -> None:
        """Begin empty."""
        self._cost, self._limits = cost, limits
        self._numbers = count()
        self._urgent: list[tuple[float, int, Item]] = []
        self._by_length: list[tuple[int, int, Item]] = []
        self.tokens = 0
        """Of all that wait."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._by_length)

    def add(self, item: Item) -> None:
        """Let a text wait."""
        number = next(self._numbers)
        urgency = min(item.arrived + _PATIENCE, item.deadline - self._cost.alone(item.tokens))
        heapq.heappush(self._urgent, (urgency, number, item))
        insort(self._by_length, (item.tokens, number, item), key=_place)
        self.tokens += item.tokens

    def discard(self, items: Iterable[Item]) -> None:
        """Forget texts that nobody waits for any more; those that were taken stay taken."""
        chosen = {id(item) for item in items if not item.gone}
        if chosen:
            self._remove(chosen)

    def ahead_of(self, now: float) -> tuple[int, int]:
        """Return how many texts that wait count as having come before now, and their tokens."""
        earlier = [tokens for tokens, _, item in self._by_length if item.arrived <= now]
        return len(earlier), sum(earlier)

    def take(self, now: float) -> tuple[list[Item], list[Item]]:
        """Return the next batch and the texts whose deadline is past; both leave the queue. An empty batch: nothing waits."""
        expired = [item for _, _, item in self._by_length if item.deadline <= now]
        self._remove({id(item) for item in expired})
        first = self._most_urgent()
        if first is None:
            return [], expired
        batch = self._companions(first)
        self._remove({id(item) for item in batch})
        return batch, expired

    def _most_urgent(self) -> Item | None:
        while self._urgent and self._urgent[0][2].gone:
            heapq.heappop(self._urgent)
        return self._urgent[0][2] if self._urgent else None

    def _companions(self, first: Item) -> list[Item]:
        """Return the most urgent text and its neighbors in length that are worth taking along."""
        waiting, place = self._by_length, bisect_left(self._by_length, first.tokens, key=lambda entry: entry[0])
        while waiting[place][2] is not first:
            place += 1
        batch, tokens, longest = [first], first.tokens, first.tokens
        seconds = self._cost.alone(first.tokens)
        below, above = place - 1, place + 1
        while len(batch) < self._limits.batch_texts and (below >= 0 or above < len(waiting)):
            nearer_below = above >= len(waiting) or (
                below >= 0 and first.tokens - waiting[below][0] <= waiting[above][0] - first.tokens
            )  # fmt: skip
            item = waiting[below if nearer_below else above][2]
            count, most, total = len(batch) + 1, max(longest, item.tokens), tokens + item.tokens
            together = self._cost.seconds(count, most, total)
            if (
                together > max(self._limits.batch_seconds, seconds)
                or together > seconds + self._cost.alone(item.tokens)
                or (self._cost.pads and count * most - total > self._limits.padding * count * most)
            ):
                # What is farther away is worse: look no more on this side.
                below, above = (-1, above) if nearer_below else (below, len(waiting))
                continue
            batch.append(item)
            tokens, longest, seconds = total, most, together
            below, above = (below - 1, above) if nearer_below else (below, above + 1)
        return batch

    def _remove(self, chosen: set[int]) -> None:
        if not chosen:
            return
        kept = []
        for entry in self._by_length:
            if id(entry[2]) in chosen:
                entry[2].gone = True
                self.tokens -= entry[0]
            else:
                kept.append(entry)
        self._by_length = kept


def _place(entry: tuple[int, int, Item]) -> tuple[int, int]:
    return entry[0], entry[1]
