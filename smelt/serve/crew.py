"""Several processes that answer at one address, each on cores of its own. They share the listening socket; who dies is started again."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from smelt.errors import SmeltError
from smelt.language import say
from smelt.serve.listener import NOTICE_SECONDS, let_nobody_in
from smelt.serve.orders import forget

FD, CORES, METRICS = "SMELT_SERVE_FD", "SMELT_SERVE_CORES", "PROMETHEUS_MULTIPROC_DIR"
_READY = "ready"
_LOOK_SECONDS = 0.05
_MOST_DEATHS, _WITHIN_SECONDS = 5, 60.0


def inherited() -> socket.socket | None:
    """Return the socket of the crew that this process belongs to, and keep to its cores; None where it is no member of one."""
    number = os.environ.get(FD)
    if number is None:
        return None
    if sys.platform == "linux":
        os.sched_setaffinity(0, {int(core) for core in os.environ[CORES].split(",")})
    return socket.socket(fileno=int(number))


def is_member() -> bool:
    """Say whether this process belongs to a crew."""
    return FD in os.environ


_LEADER = os.getppid()


def leader_is_gone() -> bool:
    """Say whether this process belongs to a crew whose leader has ended without telling: then nobody would ever end it."""
    return is_member() and os.getppid() != _LEADER


def shared_folder() -> Path | None:
    """Return the folder that all processes of a crew see; None where this process is no member of one."""
    return Path(os.environ[METRICS]) if is_member() else None


def tell_ready() -> None:
    """Tell the crew's leader that requests can come."""
    print(_READY, flush=True)  # noqa: T201  the leader reads it


def share_cores(cores: Sequence[int], workers: int) -> list[list[int]]:
    """Return the cores of each worker: neighbors, as even as can be; where there are fewer cores than workers, one each in turn."""
    if workers > len(cores):
        return [[cores[number % len(cores)]] for number in range(workers)]
    edges = [round(place * len(cores) / workers) for place in range(workers + 1)]
    return [list(cores[first:last]) for first, last in pairwise(edges)]


class Crew:
    """The processes, and their leader's view of them."""

    def __init__(self, arguments: Sequence[str], workers: int, listener: socket.socket) -> None:
        """Take what each process is started with."""
        self._command = [sys.executable, "-m", "smelt", *arguments]
        self._listener = listener
        own = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else list(range(os.cpu_count() or 1))
        self._cores = share_cores(own, workers)
        self._members: list[subprocess.Popen[str]] = []
        self._deaths: list[float] = []
        self._ending = False

    def work(self, tell: Callable[[], None]) -> None:
        """Start all, wait until they are ready, and keep them up until the process is told to end.

        Args:
            tell: hears when all are ready.

        Raises:
            SmeltError: one does not start, or they die again and again.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        with tempfile.TemporaryDirectory(prefix="smelt-metrics-") as folder:
            try:
                self._members = [self._start(cores, Path(folder)) for cores in self._cores]
                for member in self._members:
                    self._await_ready(member)
                tell()
                self._keep_up(Path(folder))
            finally:
                for member in self._members:
                    if member.poll() is None:
                        member.send_signal(signal.SIGTERM)
                time.sleep(NOTICE_SECONDS)
                let_nobody_in(self._listener)
                for member in self._members:
                    member.wait()

    def _start(self, cores: Sequence[int], folder: Path) -> "subprocess.Popen[str]":
        number = self._listener.fileno()
        surroundings = {FD: str(number), CORES: ",".join(map(str, cores)), METRICS: str(folder)}
        return subprocess.Popen(self._command, env=os.environ | surroundings, pass_fds=[number], stdout=subprocess.PIPE, text=True)

    def _await_ready(self, member: "subprocess.Popen[str]") -> None:
        assert member.stdout is not None
        if member.stdout.readline().strip() != _READY and not self._ending:
            raise SmeltError(say("a worker process did not start; its message stands above"))

    def _keep_up(self, folder: Path) -> None:
        while not self._ending:
            time.sleep(_LOOK_SECONDS)
            for place, member in enumerate(self._members):
                if member.poll() is None or self._ending:
                    continue
                now = time.monotonic()
                self._deaths = [*(moment for moment in self._deaths if moment > now - _WITHIN_SECONDS), now]
                if len(self._deaths) > _MOST_DEATHS:
                    raise SmeltError(say("worker processes died {n} times within a minute", n=len(self._deaths)))
                mark_process_dead(member.pid, str(folder))
                forget(folder, [member.pid])
                self._members[place] = self._start(self._cores[place], folder)

    def _end(self) -> None:
        self._ending = True
