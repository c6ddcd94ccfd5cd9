"""Which bundles answer, where several processes do: orders stand one below the other in a file; each process carries them out in turn."""

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

_FILE, _DONE = "orders.jsonl", "done-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to happen to a name that clients ask."""

    action: Literal["open", "promote", "roll_back"]
    model: str
    bundle: str = ""
    """Folder to open."""
    share: float = 1.0
    """Of the requests that it answers; below 1 on trial."""
    number: int = 0
    """The version to be taken back. By the time that this is done it may be gone, then nothing happens."""
    reason: str = ""
    sign: str = field(default_factory=lambda: uuid.uuid4().hex)
    """By which who gave the order knows it again."""


class Orders:
    """The file, and how far each process has come. All in one folder that the processes share, on one machine."""

    def __init__(self, folder: Path) -> None:
        """Begin before the first order."""
        self._folder, self._offset, self.done = folder, 0, 0

    def give(self, order: Order) -> None:
        """Add an order. Short writes to the end of a file are not mixed with each other, whoever writes."""
        line = json.dumps(asdict(order), ensure_ascii=False) + "\n"
        descriptor = os.open(self._folder / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def fresh(self) -> list[Order]:
        """Return the orders that were not returned before."""
        path = self._folder / _FILE
        if not path.exists() or path.stat().st_size == self._offset:
            return []
        with path.open("rb") as file:
            file.seek(self._offset)
            whole, _, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + 1 if whole else 0
        return [Order(**json.loads(line)) for line in whole.splitlines()]

    def carried_out(self, number: int) -> None:
        """Let the others know that so many orders are done here, since the first."""
        self.done = number
        path = self._folder / f"{_DONE}{os.getpid()}"
        part = path.with_suffix(".part")
        part.write_text(str(number), encoding="ascii")
        part.replace(path)

    def behind(self, number: int) -> int:
        """Return how many processes have not yet done so many orders."""
        found = 0
        for path in self._folder.glob(f"{_DONE}*"):
            if path.suffix != ".part" and int(path.read_text(encoding="ascii") or 0) < number:
                found += 1
        return found


@dataclass(slots=True)
class Standing:
    """Who answers for a name, by version number and folder; None is the folder that the server was started with."""

    current: tuple[int, str | None] = (1, None)
    canary: tuple[int, str | None] | None = None
    previous: tuple[int, str | None] | None = None
    share: float = 0.0
    last: int = 1
    """The highest number given."""

    def after(self, order: Order) -> None:
        """Take an order in; the rules are those of `House`."""
        if order.action == "open":
            self.last += 1
            version, self.canary = (self.last, order.bundle), None
            if order.share < 1:
                self.canary, self.share = version, order.share
            else:
                self.previous, self.current = self.current, version
        elif self.canary and self.canary[0] == order.number:
            if order.action == "promote":
                self.previous, self.current = self.current, self.canary
            self.canary = None
        elif order.action == "roll_back" and self.previous and self.current[0] == order.number:
            self.current, self.previous = self.previous, None


def forget(folder: Path, processes: Sequence[int]) -> None:
    """Wait no longer for processes that have died."""
    for number in processes:
        (folder / f"{_DONE}{number}").unlink(missing_ok=True)
