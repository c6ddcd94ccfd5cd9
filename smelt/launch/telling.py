"""What a process that was started tells the one that started it: JSON lines on its standard output."""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import IO

_DIE_WITH_PARENT = 1
_EVERY_SECONDS = 5.0
Facts = Mapping[str, object]
Hear = Callable[[str, Facts | None, Facts], None]
"""Takes the name of a training; the facts of a step, or None; those of an epoch."""


def start_of_process() -> IO[str]:
    """End with the process that started this one; return the stream to tell it by.

    Libraries print what they like: their output goes where errors go.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream


def teller(stream: IO[str]) -> Hear:
    """Return what tells of every epoch, and every few seconds of a step."""
    told = [0.0]

    def tell(name: str, step: Facts | None, facts: Facts) -> None:
        if step is None or time.monotonic() - told[0] > _EVERY_SECONDS:
            told[0] = time.monotonic()
            send(stream, {"name": name, "step": step, "facts": dict(facts)})

    return tell


def send(stream: IO[str], told: Facts) -> None:
    """Send one line at once."""
    stream.write(json.dumps(told) + "\n")
    stream.flush()


def listen(lines: Iterable[str], hear: Hear) -> list[dict]:
    """Pass on what is told, to the end; return what was no news of a training, such as faults.

    A process that is killed may leave half a line: it is left out.
    """
    rest = []
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if "name" in told:
            hear(told["name"], told["step"], told["facts"])
        else:
            rest.append(told)
    return rest
