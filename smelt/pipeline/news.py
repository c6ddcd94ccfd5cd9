"""Steps and epochs of a training in another process, on their way to whoever watches."""

from dataclasses import asdict
from typing import IO

from smelt.launch.telling import Hear, teller
from smelt.pipeline.context import Watcher
from smelt.train.fit import Step


def hearing(watch: Watcher) -> Hear:
    """Return what passes the news of another process on to a watcher."""
    return lambda name, step, facts: watch.step(name, Step(**step) if step else None, facts)  # pyright: ignore[reportArgumentType]  as told


def telling(stream: IO[str]) -> Watcher:
    """Return a watcher that tells the process that started this one."""
    tell = teller(stream)
    return Watcher(step=lambda name, step, facts: tell(name, asdict(step) if step else None, facts))
