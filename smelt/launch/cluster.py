"""A Ray cluster: one that exists, or one of this machine alone, which ends with the command."""

import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, cast

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.launch.telling import Hear, listen
from smelt.recipe.parallel import RayLaunch

Given = TypeVar("Given")
Found = TypeVar("Found")
LOCAL = "local"
NEWS, FAULTS = "news.jsonl", "faults.jsonl"
_LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
# Ray Train: its second version, and a worker group that is not complete after so long is formed anew.
_SETTINGS = {"RAY_TRAIN_V2_ENABLED": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "30"}
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Without it Ray replaces the loopback address by one that other machines reach."""


@contextmanager
def cluster(address: str) -> Iterator[ModuleType]:
    """Yield the `ray` module, connected.

    Args:
        address: `local`, or where a cluster is, as `ray.init` takes it.

    Raises:
        EnvironmentFault: Ray is not installed, or the cluster does not answer.
    """
    for name, value in (_SETTINGS | (_ON_LOOPBACK if address == LOCAL or _LOOPBACK in address else {})).items():
        os.environ.setdefault(name, value)
    try:
        import ray  # pyright: ignore[reportMissingImports]  an extra
    except ModuleNotFoundError as error:
        raise EnvironmentFault(say("ray is not installed"), step=say('Run: pip install "smelt[ray]"')) from error
    if ray.is_initialized():
        yield ray
        return
    _require_answer(address)
    where: dict[str, Any] = {"address": address}
    if address == LOCAL:
        where |= {"_node_ip_address": _LOOPBACK, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, **where)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _no_cluster(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """See whether anybody is at a host and port; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        except OSError as error:
            raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> EnvironmentFault:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return EnvironmentFault(
        say("no Ray cluster at {address}: {reason}", address=address, reason=reason),
        step=say("Start one (`ray start --head`), or take address: local."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What is trained together."""

    work: Callable[[dict], None]
    """Runs in every process, with what it is told; importable by its name there."""
    told: Mapping[str, object]
    fewest: int
    most: int
    """Processes. Where they differ, as many as the cluster has room for."""
    threads: int
    """CPUs of each."""
    device: Literal["auto", "cpu", "cuda"]
    """One GPU each with `cuda`, and with `auto` where the cluster has them."""
    folder: Path
    """Where they meet and leave news, seen by all."""


def train_on_cluster(crew: Crew, section: RayLaunch, hear: Hear) -> list[dict]:
    """Run the processes to their end by Ray Train, which starts them again after one has died.

    Args:
        crew: what to start.
        section: where, and how often to start again.
        hear: hears how the training goes.

    Returns:
        The faults that processes told of; a person has to mend them, and starting again is of no use.

    Raises:
        EnvironmentFault: there is no cluster, too few GPUs in it, or processes died more often than the section allows.
    """
    crew.folder.mkdir(parents=True, exist_ok=True)
    for name in (NEWS, FAULTS):
        (crew.folder / name).write_bytes(b"")
    with cluster(section.address) as ray, _heard(crew.folder / NEWS, hear):
        if section.address == LOCAL:
            _require_room(ray, crew.fewest, crew.threads)
        on_gpu = wants_gpus(crew, ray.cluster_resources())
        from ray.train import FailureConfig, RunConfig, ScalingConfig  # pyright: ignore[reportMissingImports]  an extra
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer  # pyright: ignore[reportMissingImports]  an extra
        from ray.train.v2.api.exceptions import TrainingFailedError  # pyright: ignore[reportMissingImports]  an extra

        trainer = DataParallelTrainer(
            crew.work,
            train_loop_config=dict(crew.told),
            scaling_config=ScalingConfig(
                num_workers=crew.most if crew.fewest == crew.most else (crew.fewest, crew.most),
                resources_per_worker={"CPU": crew.threads} | ({"GPU": 1} if on_gpu else {}),
                use_gpu=on_gpu,
                elastic_resize_monitor_interval_s=section.resize_seconds,
            ),
            run_config=RunConfig(
                name=f"smelt-{uuid.uuid4().hex[:8]}",
                storage_path=str(crew.folder.resolve()),
                failure_config=FailureConfig(max_failures=section.restarts),
            ),
        )
        try:
            trainer.fit()
        except (TrainingFailedError, ray.exceptions.RayError) as error:
            if faults := _told(crew.folder / FAULTS):
                return faults
            reason = " ".join(str(error).split())[:300]
            raise EnvironmentFault(
                say("the training on Ray failed: {reason}", reason=reason), step=say("The same command goes on from the last checkpoint.")
            ) from error
    return _told(crew.folder / FAULTS)


def wants_gpus(crew: Crew, resources: Mapping[str, float]) -> bool:
    """Say whether each process is to have a GPU.

    Args:
        crew: what is trained.
        resources: of the whole cluster, as Ray names and counts them.

    Raises:
        EnvironmentFault: they are asked for, and the cluster has too few.
    """
    found = int(resources.get("GPU", 0))
    if crew.device == "cuda" and found < crew.fewest:
        raise EnvironmentFault(
            say("the Ray cluster has {found} GPUs, and train.device: cuda wants one for each of {n} processes", found=found, n=crew.fewest),
            step=say("Take fewer processes, device: auto, or a larger cluster."),
        )
    return crew.device != "cpu" and found >= crew.fewest


def join_crew(folder: Path) -> int:
    """Let this process of Ray Train be one of several, as torchrun would: return its rank."""
    from ray.train import get_context  # pyright: ignore[reportMissingImports]  an extra
    from ray.train.collective import broadcast_from_rank_zero  # pyright: ignore[reportMissingImports]  an extra
    from ray.util import get_node_ip_address  # pyright: ignore[reportMissingImports]  an extra

    context = get_context()
    token = broadcast_from_rank_zero(uuid.uuid4().hex)
    os.environ |= {
        "RANK": str(context.get_world_rank()), "WORLD_SIZE": str(context.get_world_size()), "LOCAL_RANK": str(context.get_local_rank()),
        "SMELT_STORE": str(folder / f"meeting-{token}"), "SMELT_ATTEMPT": token,
    }  # fmt: skip
    if get_node_ip_address() == _LOOPBACK:
        os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    return context.get_world_rank()


def as_tasks(address: str, call: Callable[..., str], orders: Sequence[tuple], cpus: int) -> list[str]:
    """Call a function once for each order, as tasks of a cluster that take so many CPUs each.

    Returns:
        What each returned, in their order; why it failed, where Ray says that it did.
    """
    with cluster(address) as ray:
        remote = ray.remote(num_cpus=cpus, max_retries=2)(call)
        running = [remote.remote(*order) for order in orders]
        return [_outcome(ray, one) for one in running]


def map_in_order(ray: ModuleType, make: Callable[[], Callable[[Given], Found]], given: Iterator[Given], cpus: int) -> Iterator[Found]:
    """Call what `make` makes, once per process of the cluster, for each thing given; yield what comes, in the same order.

    Args:
        ray: connected.
        make: runs in each process; importable there.
        given: read ahead by two things per process, no more.
        cpus: of each process; there are as many processes as have room.

    Raises:
        EnvironmentFault: there is no room, or a process failed.
    """
    _require_room(ray, 1, cpus)
    count = _cpus(ray) // cpus
    actors = [ray.remote(num_cpus=cpus, max_restarts=2, max_task_retries=2)(_Caller).remote(make) for _ in range(count)]
    running: deque = deque()
    for number, one in enumerate(given):
        running.append(actors[number % count].call.remote(one))
        if len(running) >= 2 * count:
            yield cast("Found", _got(ray, running.popleft()))
    while running:
        yield cast("Found", _got(ray, running.popleft()))


def _got(ray: ModuleType, task: object) -> object:
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        raise EnvironmentFault(
            say("a process on Ray failed: {reason}", reason=" ".join(str(error).split())[-300:]),
            step=say("Do its nodes see the bundle, and have they the same smelt?"),
        ) from error


def _cpus(ray: ModuleType) -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _require_room(ray: ModuleType, processes: int, cpus: int) -> None:
    """Refuse what Ray would wait for without end."""
    if _cpus(ray) < processes * cpus:
        raise EnvironmentFault(
            say("the Ray cluster has {found} CPUs, and {n} processes of {cpus} are wanted", found=_cpus(ray), n=processes, cpus=cpus),
            step=say("Take fewer processes or threads, or a larger cluster."),
        )


class _Caller:
    """What lives in a process of the cluster."""

    def __init__(self, make: Callable[[], Callable]) -> None:
        self._call = make()

    def call(self, given: object) -> object:
        return self._call(given)


def _outcome(ray: ModuleType, task: object) -> str:
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        return " ".join(str(error).split())[-300:]


def _told(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return listen(lines, lambda *_: None)


@contextmanager
def _heard(path: Path, hear: Hear) -> Iterator[None]:
    """Pass on what the first process writes down while it trains."""
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as stream:
            while True:
                last = ended.is_set()
                place = stream.tell()
                lines = stream.readlines()
                if lines and not lines[-1].endswith("\n") and not last:
                    stream.seek(place + sum(len(line.encode()) for line in lines[:-1]))
                    lines.pop()
                listen(lines, hear)
                if last:
                    return
                time.sleep(_POLL_SECONDS)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
