"""What compares with a reference gives way to what answers."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

NICENESS = 15
Made = TypeVar("Made")


def give_way() -> None:
    """Lower this thread's priority, and that of the threads it will start; where the system can do that."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def made_politely(make: Callable[[], Made]) -> Made:
    """Return what is made in a thread of low priority: the runtimes' threads, started there, have it too."""
    with ThreadPoolExecutor(1, initializer=give_way) as pool:
        return pool.submit(make).result()
