"""The processes of one training on this machine: started together, and started again together when one of them dies."""

import logging
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import DataFault, EnvironmentFault, SmeltError, UsageFault
from smelt.language import say
from smelt.launch.telling import Hear, listen
from smelt.recipe.parallel import LocalLaunch
from smelt.run.disk import io_fault

_LOG = logging.getLogger("smelt")
_POLL_SECONDS = 0.05
_FAULTS = {fault.exit_code: fault for fault in (SmeltError, UsageFault, DataFault, EnvironmentFault)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What is started."""

    command: Sequence[str]
    """The same for all; the environment tells each which one it is."""
    processes: int
    threads: int
    """CPU threads of each."""
    folder: Path
    """Where they meet, and where what they print is kept."""


def launch(group: Group, section: LocalLaunch, hear: Hear) -> None:
    """Run the processes to their end.

    Args:
        group: what to start.
        section: how often to start again.
        hear: hears how the training goes.

    Raises:
        SmeltError: the fault that one of them told of.
        EnvironmentFault: one died, and that more often than the section allows.
    """
    try:
        group.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise io_fault(group.folder, error) from error
    attempt = 0
    while death := _attempt(group, attempt, hear):
        attempt += 1
        if attempt > section.restarts:
            break
        _LOG.warning("%s", say("{death}; all start again from the last checkpoint", death=death))
    else:
        return
    raise EnvironmentFault(
        say("{death}; they were started {n} times", death=death, n=section.restarts + 1),
        step=say("See {folder}/rank-*.log; the same command goes on from the last checkpoint.", folder=group.folder),
    )


def fault_of(told: dict) -> SmeltError:
    """Return the fault that another process told of."""
    return _FAULTS[told["code"]](told["message"], step=told["step"])


def _attempt(group: Group, attempt: int, hear: Hear) -> str | None:
    """Start all and wait; when one dies, end the rest. Return who died and how, None if nobody did."""
    meeting = group.folder / "meeting"
    meeting.unlink(missing_ok=True)
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as lines, ThreadPoolExecutor(1) as pool:
        heard = pool.submit(listen, lines, hear)
        processes: list[subprocess.Popen] = []
        try:
            try:
                processes.extend(_start(group, rank, attempt, writing, meeting) for rank in range(group.processes))
            finally:
                os.close(writing)
            dead = _wait(processes)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
        faults = [told["fault"] for told in heard.result()]
    if dead is None:
        return None
    if faults:
        raise fault_of(faults[0])
    return _obituary(group, dead, processes[dead].returncode)


def _start(group: Group, rank: int, attempt: int, output: int, meeting: Path) -> subprocess.Popen:
    environment = os.environ | {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(group.processes), "OMP_NUM_THREADS": str(group.threads),
        "SMELT_STORE": str(meeting), "SMELT_ATTEMPT": str(attempt), "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    with (group.folder / f"rank-{rank}.log").open("ab") as log:
        return subprocess.Popen(group.command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=environment)


def _wait(processes: Sequence[subprocess.Popen]) -> int | None:
    """Return the number of the first process that ends with a fault; None when all have ended well."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [rank for rank, code in enumerate(codes) if code]
        if failed:
            # Where one was killed, the others may have fallen over it already.
            return min(failed, key=lambda rank: (codes[rank] or 0) > 0)
        if all(code == 0 for code in codes):
            return None
        time.sleep(_POLL_SECONDS)


def _obituary(group: Group, rank: int, code: int) -> str:
    if code < 0:
        return say("process {rank} of {n} died of signal {signal}", rank=rank, n=group.processes, signal=-code)
    lines = (group.folder / f"rank-{rank}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    told = [line for line in lines if line.removeprefix(f"[rank{rank}]:").strip()]
    return say("process {rank} of {n} failed: {reason}", rank=rank, n=group.processes, reason=(told or ["-"])[-1][:300])
