"""What each process of a training has reached, and that it lives, in a file of its own: where all wait for one, the files tell which."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.language import say

_DIGITS = 20
_EVERY_SECONDS = 0.5
_SILENT_SECONDS = 2.0
COMPUTES, COMPUTED = 0, 1
"""Where in a step a process is: before its loss is known, and after."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What one process's file says."""

    step: int = -1
    """-1 where it never began."""
    part: int = 0
    seconds: float = 0.0
    """When it gave its last sign of life, by the clock of the file system."""


class Pulse:
    """One process's file. A thread touches it while the process runs at all."""

    def __init__(self, folder: Path, rank: int) -> None:
        """Begin it in a folder that all processes share."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(_place(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._ended = threading.Event()
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            os.utime(self._file)

    def beat(self, step: int, part: int) -> None:
        """Note what is reached."""
        os.pwrite(self._file, f"{2 * step + part:0{_DIGITS}d}".encode(), 0)

    def end(self) -> None:
        """Give no more signs."""
        self._ended.set()


def signs(folder: Path, size: int) -> list[Sign]:
    """Return what the files say, by rank."""
    found = []
    for rank in range(size):
        place = _place(folder, rank)
        try:
            step, part = divmod(int(place.read_text(encoding="ascii")), 2)
            found.append(Sign(step, part, place.stat().st_mtime))
        except (OSError, ValueError):
            found.append(Sign())
    return found


def behind(found: Sequence[Sign]) -> str:
    """Say which processes the others wait for; nothing where all live and stand at the same place."""
    last = max(sign.seconds for sign in found)
    silent = [rank for rank, sign in enumerate(found) if last - sign.seconds > _SILENT_SECONDS]
    if silent:
        return say(
            "process {ranks} gives no sign of life since step {step}", ranks=", ".join(map(str, silent)), step=max(0, found[silent[0]].step)
        )
    least = min((sign.step, sign.part) for sign in found)
    late = [rank for rank, sign in enumerate(found) if (sign.step, sign.part) == least]
    if len(late) == len(found):
        return ""
    return say("process {ranks} stands in step {step}, and the others wait for it there", ranks=", ".join(map(str, late)), step=least[0])


def _place(folder: Path, rank: int) -> Path:
    return folder / f"pulse-{rank}"
