"""Time a bundle in a process of its own: `python -m smelt.runtime.clock FOLDER WORKLOAD.json` prints a Timing as JSON.

A process of its own keeps other sessions' threads out of the figures, shows the bundle's own memory, and survives a runtime that
ends the process.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from smelt.errors import SmeltError
from smelt.language import say
from smelt.runtime.bench import Workload, combine, time_session
from smelt.runtime.build import open_session
from smelt.runtime.manifest import read_manifest
from smelt.tasks.classify import load_codec
from smelt.types import Timing

BUNDLES = "smelt.runtime.clock"
_SECONDS = 1800
_SINGLES, _ROUNDS = 10, 5
Clock = Callable[[Path, Path, str], Timing]
"""Times what stands in a folder on a workload, by the `main` of a module."""


def time_elsewhere(folder: Path, workload: Path, module: str) -> Timing:
    """Start the process and return what it measured.

    Args:
        folder: what to time.
        workload: JSON file of a `Workload`.
        module: `BUNDLES` for a bundle, `smelt.train.clock` for a torch model folder.

    Raises:
        SmeltError: the process failed, and the message ends with its last line; or it took half an hour.
    """
    command = [sys.executable, "-m", module, str(folder), str(workload)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SmeltError(say("{folder}: timing took more than {n} minutes", folder=folder, n=_SECONDS // 60)) from error
    if done.returncode:
        last = (done.stderr.strip() or "-").splitlines()[-1]
        raise SmeltError(say("{folder}: timing ended with code {code}: {last}", folder=folder, code=done.returncode, last=last[:300]))
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A way to use the cores, and what it brings."""

    workers: int
    """Processes."""
    threads: int
    """Of each."""
    examples_per_s: float
    """Documents per second of all of them together."""


def time_layout(folder: Path, workload: Workload, place: Path, *, workers: int, threads: int) -> Layout:
    """Let several processes answer the same documents at once.

    Args:
        folder: bundle.
        workload: documents and batch.
        place: folder for the workload's file.
        workers: processes.
        threads: of each.

    Raises:
        SmeltError: a process failed.
    """
    load = place / f"workload-{workers}-{threads}.json"
    few = replace(workload, singles=workload.singles[:_SINGLES], threads=(threads,), rounds=_ROUNDS)
    load.write_text(json.dumps(asdict(few)), encoding="utf-8")
    with ThreadPoolExecutor(workers) as pool:
        timings = list(pool.map(lambda _: time_elsewhere(folder, load, BUNDLES), range(workers)))
    return Layout(workers=workers, threads=threads, examples_per_s=sum(timing.examples_per_s for timing in timings))


def layouts(cores: int) -> list[tuple[int, int]]:
    """Return ways to use all cores: processes, and threads of each."""
    return [(workers, cores // workers) for workers in range(1, cores + 1) if cores % workers == 0]


def race(
    entrants: Mapping[str, tuple[Path, str]], workload: Path, place: Path, rounds: int,
    *, clock: Clock = time_elsewhere, tell: Callable[[int], None] = lambda _lap: None,
) -> dict[str, Timing]:  # fmt: skip
    """Time several things in turns, so that what slows the machine down for a while slows all of them; return medians with their spread.

    Args:
        entrants: folder and module of each, by name.
        workload: JSON file of a `Workload`.
        place: folder for the workload of a single round.
        rounds: each in processes of their own.
        clock: times one of them.
        tell: hears the number of each round, from 1.
    """
    load = place / "workload.json"
    load.write_text(json.dumps(asdict(replace(read_workload(workload), rounds=1))), encoding="utf-8")
    laps: dict[str, list[Timing]] = {name: [] for name in entrants}
    for lap in range(1, rounds + 1):
        tell(lap)
        for name, (folder, module) in entrants.items():
            laps[name].append(clock(folder, load, module))
    return {name: combine(times) for name, times in laps.items()}


def read_workload(path: Path) -> Workload:
    """Read the JSON file that `asdict` of a Workload gave."""
    return Workload(**json.loads(path.read_text(encoding="utf-8")))


def main(arguments: Sequence[str]) -> str:
    """Time the bundle and return the answer as one line of JSON."""
    folder, workload = map(Path, arguments)
    manifest = read_manifest(folder)
    codec = load_codec(folder)
    return json.dumps(asdict(time_session(lambda threads: open_session(folder, manifest, threads), codec, read_workload(workload))))


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]) + "\n")
