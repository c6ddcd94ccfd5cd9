"""The processes that torchrun started: the first one gives orders, the others wait for them."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta

from smelt.parallel.world import meeting_place

_LONG = timedelta(days=365)
"""Between orders lies what the first process does by itself; when it dies, torchrun ends the others."""


class Team:
    """The store in which orders lie, each under the next number."""

    def __init__(self) -> None:
        """Meet."""
        self._store = meeting_place(600.0)
        self._given = 0

    def order(self, order: Mapping[str, object]) -> int:
        """Give an order; an empty one sends everybody home. Return its number."""
        self._store.set(f"order-{self._given}", json.dumps(order))
        self._given += 1
        return self._given - 1

    def orders(self) -> Iterator[dict]:
        """Yield what is ordered, until all are sent home."""
        number = 0
        while True:
            self._store.wait([f"order-{number}"], _LONG)
            if not (order := json.loads(self._store.get(f"order-{number}"))):
                return
            yield order
            number += 1
