"""Threads that compute give way to the one that reads requests and answers them, so that a busy server still refuses quickly."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

COMPUTES, SHADOWS = 15, 19
"""Niceness of threads that answer, and of those that compare with a reference."""
Made = TypeVar("Made")


def give_way(niceness: int) -> None:
    """Lower this thread's priority, and that of the threads it will start; where the system can do that."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def made_politely(make: Callable[[], Made], niceness: int = COMPUTES) -> Made:
    """Return what is made in a thread of low priority: the runtimes' threads, started there, have it too."""
    with ThreadPoolExecutor(1, initializer=give_way, initargs=(niceness,)) as pool:
        return pool.submit(make).result()
