"""What this machine does in a second: products, attention, memory, kernels, exchanges, and whole steps of small networks.

`measure` starts processes of this machine, each of which is `python -m smelt.parallel.measure ORDER` and ends by itself. Repetitions
alternate, so that what disturbs the machine for a moment disturbs all alike; medians count.

Shape letters: B batch of heads, M rows, N columns, K depth.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from smelt.errors import SmeltError
from smelt.launch.local import Group, launch
from smelt.launch.telling import send, start_of_process
from smelt.parallel.trials import Trial, probes
from smelt.parallel.world import ALONE, World, join, lay_out
from smelt.plan.calibration import Exchange, Measured, Product
from smelt.plan.probe import PRECISIONS, Precision, Probe
from smelt.recipe.parallel import LocalLaunch, Parallel
from smelt.runtime.isa import cores, cpu_name

Work = Callable[[], object]
_CPU = torch.device("cpu")
_TYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
_ROUNDS, _WARM = 7, 2
_BURSTS, _STEPS = 3, 3
"""Steps of one network are taken in bursts: memory that it gives back and takes again is found as a training finds it."""
_SHORTEST_SECONDS = 0.003
"""Shorter works are repeated to be timed together."""
_LONGEST_SECONDS = 60.0
"""After so long a process takes no further round."""
_MATRICES = ((1, 2048, 320, 320), (1, 1024, 1280, 320), (1, 1024, 320, 1280), (1, 128, 512, 512), (1, 512, 64, 64))
"""B, M, N, K."""
_FEW_MATRICES = ((1, 1024, 1280, 320), (1, 1024, 320, 1280))
_HEADS = ((96, 64, 64, 32), (24, 256, 256, 32), (32, 128, 128, 64), (8, 128, 128, 128))
_STREAM_ELEMENTS, _KERNELS, _DRAWN = 2**24, 100, 2**20
_SENT_BYTES = (64, 2**16, 2**19, 2**22, 2**24)


def measure(ranks: Sequence[int], folder: Path, *, brief: bool = False) -> Measured:
    """Measure this machine with one process, and with each number of processes.

    Args:
        ranks: numbers of processes; one is measured whatever stands here.
        folder: for what the processes leave.
        brief: the smallest sizes, to try the measuring itself.

    Raises:
        SmeltError: the processes cannot be started, or one of them failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_part(number, folder, brief) for number in sorted({1, *ranks})]
    alone = parts[0]
    return Measured(
        name=" ".join(cpu_name().split()), cores=cores(), memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        date=datetime.now(UTC).date().isoformat(), memory_gbps=alone["memory_gbps"], kernel_us=alone["kernel_us"],
        dropout_ns=alone["dropout_ns"], fresh_ns=alone["fresh_ns"], products=[Product(**one) for part in parts for one in part["products"]],
        exchanges=[Exchange(**one) for part in parts for one in part["exchanges"]],
        steps=[(_read_probe(one), seconds) for part in parts for one, seconds in part["steps"]],
    )  # fmt: skip


def _part(number: int, folder: Path, brief: bool) -> dict[str, Any]:  # noqa: FBT001  passed on
    order, answer = folder / f"order-{number}.json", folder / f"answer-{number}.json"
    order.write_text(json.dumps({"ranks": number, "brief": brief, "answer": str(answer.resolve())}), encoding="utf-8")
    command = [sys.executable, "-m", "smelt.parallel.measure", str(order.resolve())]
    group = Group(command=command, processes=number, threads=threads_of(number), folder=folder / f"ranks-{number}")
    launch(group, LocalLaunch(restarts=0), lambda *_: None)
    return json.loads(answer.read_text(encoding="utf-8"))


def threads_of(ranks: int) -> int:
    """Return the threads that each of so many processes of this machine has in a training."""
    return max(1, cores() // ranks)


def main(order: Path) -> None:
    """Be one process of the measuring."""
    given = json.loads(order.read_text(encoding="utf-8"))
    ranks, brief = given["ranks"], given["brief"]
    torch.set_num_threads(threads_of(ranks))
    if ranks == 1:
        found = _alone(brief=brief)
    else:
        with join(Parallel(replicate=ranks), _CPU, 120.0, "measure") as world:
            found = _together(world, brief=brief)
            world.wait()
    if os.environ["RANK"] == "0":
        Path(given["answer"]).write_text(json.dumps(found), encoding="utf-8")


def medians(works: Sequence[Work], rounds: int = _ROUNDS, world: World = ALONE, *, warm: int = _WARM) -> list[float]:
    """Return the seconds of each work, as the median over rounds in which all take turns.

    Args:
        works: what is timed; each returns its seconds where it takes the time itself. All processes of the world have the same.
        rounds: at most; no further one is begun after a minute.
        world: processes that begin each work together.
        warm: rounds before them that do not count.
    """
    taken: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    for number in range(warm + rounds):
        for work, seconds in zip(works, taken, strict=True):
            world.wait()
            started = time.perf_counter()
            own = work()
            passed = time.perf_counter() - started
            if number >= warm:
                seconds.append(own if isinstance(own, float) else passed)
        if number > warm and world.follow(time.perf_counter() - began > _LONGEST_SECONDS):
            break
    return [float(np.median(each)) for each in taken]


def _alone(*, brief: bool) -> dict[str, Any]:
    rounds = 1 if brief else _ROUNDS
    scale = 64 if brief else 1
    left, right = (torch.ones(_STREAM_ELEMENTS // scale) for _ in range(2))
    into, drawn, few = torch.empty_like(left), torch.ones(_DRAWN // scale), torch.ones(8, requires_grad=True)
    works = [
        partial(torch.add, left, right, out=into), partial(drawn.bernoulli_, 0.9), partial(_kernels, few), into.zero_,
        partial(_taken, len(into)),
    ]  # fmt: skip
    stream, draw, kernels, known, new = medians(works, rounds)
    return {
        "memory_gbps": 3 * left.nbytes / stream / 1e9,
        "dropout_ns": 1e9 * draw / len(drawn),
        "kernel_us": 1e6 * kernels / (2 * _KERNELS),
        "fresh_ns": 1e9 * max(0.0, new - known) / left.nbytes,
        "products": _products(ALONE, _MATRICES[-2:] + _HEADS[:1] if brief else _MATRICES + _HEADS, rounds),
        "exchanges": [],
        "steps": _steps(ALONE, rounds, brief=brief),
    }


def _together(world: World, *, brief: bool) -> dict[str, Any]:
    rounds = 1 if brief else _ROUNDS
    return {
        "products": _products(world, _MATRICES[-1:] if brief else _FEW_MATRICES, rounds),
        "exchanges": _exchanges(world, _SENT_BYTES[:2] if brief else _SENT_BYTES, rounds),
        "steps": _steps(world, rounds, brief=brief),
    }


def _taken(elements: int) -> None:
    """Write into memory that is taken from the system and given back."""
    torch.empty(elements).zero_()


def _kernels(few: torch.Tensor) -> None:
    """Small kernels one after the other, forward and backward."""
    value = few
    for _ in range(_KERNELS):
        value = value * 1.01
    value.sum().backward()


def _products(world: World, sizes: Sequence[tuple[int, int, int, int]], rounds: int) -> list[dict[str, Any]]:
    """Time products as a layer has them: of a matrix forward, and for the gradients of what goes in and of the weights."""
    named: list[tuple[Precision, int, int, int, int]] = [(precision, *size) for precision in PRECISIONS for size in sizes]
    works = [_product(*one) for one in named]
    times = [work() for work in works]
    repeats = [max(1, min(200, round(_SHORTEST_SECONDS / max(seconds, 1e-6)))) for seconds in times]
    repeats = [world.tell(number) for number in repeats]
    found = medians([partial(_repeated, work, number) for work, number in zip(works, repeats, strict=True)], rounds, world)
    return [
        asdict(Product(precision=precision, ranks=world.size, rows=M, columns=N, depth=K, count=B, seconds=seconds))
        for (precision, B, M, N, K), seconds in zip(named, found, strict=True)
    ]


def _product(precision: Precision, B: int, M: int, N: int, K: int) -> Callable[[], float]:
    dtype = _TYPES[precision]
    given_BMK, made_BMN = torch.randn(B, M, K).to(dtype), torch.randn(B, M, N).to(dtype)
    weights_BNK = torch.randn(B, N, K).to(dtype)
    if B == 1:
        given_BMK, made_BMN, weights_BNK = given_BMK[0], made_BMN[0], weights_BNK[0]

    def work() -> float:
        started = time.perf_counter()
        if B == 1:
            nn.functional.linear(given_BMK, weights_BNK)
        else:
            torch.bmm(given_BMK, weights_BNK.mT)
        torch.matmul(made_BMN, weights_BNK)
        torch.matmul(made_BMN.mT, given_BMK)
        return (time.perf_counter() - started) / 3.0

    return work


def _repeated(work: Callable[[], float], number: int) -> float:
    return sum(work() for _ in range(number)) / number


def _exchanges(world: World, sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Time collectives of fp32 numbers over all processes, and messages from the first to the second and back."""
    named, works = [], []
    for size in sizes:
        whole = torch.ones(max(world.size, size // 4 // world.size * world.size))
        parts, own = list(torch.empty_like(whole).chunk(world.size)), whole[: len(whole) // world.size].clone()
        number = 20 if size < _SENT_BYTES[2] else 4 if size < _SENT_BYTES[3] else 1
        calls: dict[str, Work] = {
            "all_reduce": partial(dist.all_reduce, whole, op=dist.ReduceOp.MAX), "gather": partial(dist.all_gather, parts, own),
            "send": partial(_there_and_back, whole, world.rank),
        }  # fmt: skip
        for kind, call in calls.items():
            named.append((kind, whole.nbytes))
            works.append(partial(_each, call, number * (2 if kind == "send" else 1), number))
    found = medians(works, rounds, world)
    return [
        asdict(Exchange(kind=kind, ranks=world.size, size_bytes=size, seconds=seconds))
        for (kind, size), seconds in zip(named, found, strict=True)
    ]


def _each(call: Work, messages: int, number: int) -> float:
    started = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - started) / messages


def _there_and_back(tensor: torch.Tensor, rank: int) -> None:
    if rank == 0:
        dist.send(tensor, 1)
        dist.recv(tensor, 1)
    elif rank == 1:
        dist.recv(tensor, 0)
        dist.send(tensor, 0)


def _steps(world: World, rounds: int, *, brief: bool) -> list[tuple[dict[str, Any], float]]:
    """Time steps of small networks, each spread in its own way over the same processes."""
    wanted = probes(world.size, brief=brief)
    worlds: dict[str, World] = {}
    for probe in wanted:
        key = probe.parallel.model_dump_json()
        if key not in worlds:
            mesh, addends = (None, None) if world.size == 1 else lay_out(probe.parallel, _CPU)
            worlds[key] = replace(world, section=probe.parallel, mesh=mesh, addends=addends)
    trials = [Trial(probe, worlds[probe.parallel.model_dump_json()]) for probe in wanted]
    found = medians([partial(_burst, trial) for trial in trials], min(rounds, _BURSTS), world, warm=0)
    return [(_write_probe(probe), seconds) for probe, seconds in zip(wanted, found, strict=True)]


def _burst(trial: Trial) -> float:
    trial.step()
    return float(np.median([trial.step() for _ in range(_STEPS)]))


def _write_probe(probe: Probe) -> dict[str, Any]:
    return asdict(replace(probe, parallel=Parallel())) | {"parallel": probe.parallel.model_dump()}


def _read_probe(written: dict[str, Any]) -> Probe:
    given = {**written, "parallel": Parallel(**written["parallel"])}
    return Probe(**given)


if __name__ == "__main__":
    told = start_of_process()
    try:
        main(Path(sys.argv[1]))
    except SmeltError as error:
        send(told, {"fault": {"code": error.exit_code, "message": error.message, "step": error.step}})
        sys.exit(error.message)
