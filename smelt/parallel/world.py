"""The processes of one training, seen from one of them. With a single process every collective is the identity."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed import FileStore, PrefixStore, Store, TCPStore  # pyright: ignore[reportPrivateImportUsage]  public at run time
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.parallel.pulse import Pulse
from smelt.recipe.parallel import Parallel
from smelt.run.folder import code_version

STORE = "SMELT_STORE"
"""Environment variable: the file in which processes of one machine meet. Without it they meet where torchrun says."""
ATTEMPT = "SMELT_ATTEMPT"
"""Environment variable: how often the processes were started before."""
_PACKAGES = ("torch", "transformers", "numpy", "safetensors")
PIPELINE, REPLICATE, SHARD, TENSOR = "pipeline", "replicate", "shard", "tensor"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Which process this is, of how many, and how the recipe spreads the work over them."""

    rank: int = 0
    size: int = 1
    section: Parallel = field(default_factory=Parallel)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    mesh: DeviceMesh | None = None
    """Its dimensions: see `lay_out`. None for a single process."""
    addends: dist.ProcessGroup | None = None
    """The processes over which `sum` adds up: all that do not split matrices with this one."""
    pulse: Pulse | None = None
    """Where this process notes what it has reached."""

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    def beat(self, step: int, part: int) -> None:
        """Note that this process has reached a part of a step."""
        if self.pulse:
            self.pulse.beat(step, part)

    @property
    def readers(self) -> int:
        """Number of shares of a batch. Processes that split matrices between them read the same examples."""
        return self.size // (self.section.tensor * self.section.pipeline)

    @property
    def reader(self) -> int:
        """Which share is this process's."""
        return self.rank // self.section.tensor % self.readers

    @property
    def stage(self) -> int:
        """Place of this process in the pipeline."""
        return self.rank // (self.section.tensor * self.readers)

    @property
    def stream(self) -> int:
        """Which stream of random numbers is this process's: those that split matrices between them drop out the same units."""
        return self.rank // self.section.tensor

    def share(self, count: int) -> NDArray[np.int64]:
        """Return which of a batch's examples this process works on. Over all readers each occurs once; one may have none."""
        return np.array_split(np.arange(count), self.readers)[self.reader]

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over all readers, and over the stages, of which all but the last have nothing to add."""
        if self.size == self.section.tensor:
            return value
        total = value.clone()
        dist.all_reduce(total, group=self.addends)
        return total

    def over_stages(self, value: float) -> float:
        """Return the sum over the stages of the pipeline."""
        if self.section.pipeline == 1:
            return value
        assert self.mesh is not None
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total, group=self.mesh[PIPELINE].get_group())
        return float(total)

    def tell(self, number: int) -> int:
        """Return the leading process's number."""
        if self.size == 1:
            return number
        told = torch.tensor([number], device=self.device)
        dist.broadcast(told, 0)
        return int(told)

    def follow(self, decision: bool) -> bool:  # noqa: FBT001  it is the value itself
        """Return what the leading process decided."""
        return bool(self.tell(int(decision)))

    def group(self) -> dist.ProcessGroup | None:
        """Return a new group of all processes, for talk that must not mix with the training's; None for a process alone."""
        if self.size == 1:
            return None
        group = dist.new_group(backend="gloo")
        assert not isinstance(group, int)
        return group

    def wait(self) -> None:
        """Wait until all are here."""
        if self.size > 1:
            dist.barrier()


ALONE = World()


@contextmanager
def join(section: Parallel, wanted: torch.device, timeout_seconds: float, name: str) -> Iterator[World]:
    """Meet the other processes, and part from them at the end.

    Args:
        section: the degrees.
        wanted: `cpu`, or `cuda` for the GPU of this process's number on its machine.
        timeout_seconds: after so long without an answer a collective fails.
        name: of the meeting; another one has another name.

    Raises:
        EnvironmentFault: there are not as many processes as the degrees ask for, or one does not come.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if size != section.processes:
        raise EnvironmentFault(
            say("{size} processes were started, and the degrees of parallel ask for {want}: replicate {replicate}, shard {shard}, "
                "tensor {tensor}, pipeline {pipeline}",
                size=size, want=section.processes, replicate=section.copies, shard=section.shard, tensor=section.tensor,
                pipeline=section.pipeline),
            step=say("Start as many processes as that, or change parallel.replicate."),
        )  # fmt: skip
    device = torch.device("cpu")
    if wanted.type == "cuda":  # Ray shows each process its own GPU alone
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.device_count() > 1 else 0)
        torch.cuda.set_device(device)
    timeout = timedelta(seconds=timeout_seconds)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store = PrefixStore(name, meeting_place(timeout_seconds))
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    except (RuntimeError, ValueError, OSError) as error:
        raise EnvironmentFault(
            say("process {rank} of {size} cannot reach the others within {seconds:g} s: {reason}",
                rank=rank, size=size, seconds=timeout_seconds, reason=str(error).splitlines()[0][:200]),
            step=say("See that all processes are started, and that their machines reach each other."),
        ) from error  # fmt: skip
    try:
        _compare_versions(store, rank)
        mesh, addends = lay_out(section, device)
        yield World(rank=rank, size=size, section=section, device=device, mesh=mesh, addends=addends)
    finally:
        dist.destroy_process_group()


def _compare_versions(store: Store, rank: int) -> None:
    """Refuse to train with processes that run other code.

    Raises:
        EnvironmentFault: it names what differs from the first process, and how.
    """
    own = {name: version(name) for name in _PACKAGES} | {"smelt": code_version("models", "parallel", "train", "tasks")[:12]}
    if rank == 0:
        store.set("versions", json.dumps(own))
    theirs = json.loads(store.get("versions"))
    differing = [f"{name} {own[name]} != {theirs.get(name)}" for name in own if own[name] != theirs.get(name)]
    if differing:
        raise EnvironmentFault(
            say("process {rank} has other versions than process 0: {differing}", rank=rank, differing=", ".join(differing)),
            step=say("Install the same versions on all machines."),
        )


def lay_out(section: Parallel, device: torch.device) -> tuple[DeviceMesh, dist.ProcessGroup]:
    """Return the mesh of the processes, and those among which `World.sum` adds up.

    Neighbors split matrices, for they talk most; then come shards, copies, and stages.
    """
    degrees, names = (section.pipeline, section.copies, section.shard, section.tensor), (PIPELINE, REPLICATE, SHARD, TENSOR)
    mesh = init_device_mesh(device.type, degrees, mesh_dim_names=names)
    return mesh, mesh[PIPELINE, REPLICATE, SHARD]._flatten().get_group()


def meeting_place(timeout_seconds: float) -> Store:
    """Return the store of this attempt. Addresses of an earlier attempt's processes must not be read: each has a prefix of its own."""
    environment, timeout = os.environ, timedelta(seconds=timeout_seconds)
    size = int(environment["WORLD_SIZE"])
    if STORE in environment:
        path = Path(environment[STORE])
        return PrefixStore(f"smelt/{environment.get(ATTEMPT, '0')}", FileStore(str(path), size))
    # torchrun's agent holds the store; where nobody does, the first process.
    leads = environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and environment["RANK"] == "0"
    place = (environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))
    store = TCPStore(*place, size, is_master=leads, timeout=timeout, multi_tenant=True)  # a process comes here more than once
    attempt = f"{environment.get('TORCHELASTIC_RUN_ID', '')}/{environment.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    return PrefixStore(f"smelt/{attempt}", store)
