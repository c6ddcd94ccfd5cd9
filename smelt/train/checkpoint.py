"""Where training stands: weights, optimizer, random state, history. Safetensors and JSON; written whole or not at all.

Every process writes what it holds; any other number of processes reads its parts from that (`parallel.state`).
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from smelt.language import say
from smelt.parallel.state import fill_tensors, stored_tensors, write_tensors
from smelt.parallel.world import ALONE, World
from smelt.run.disk import Disk, commit_folder, discard, read_manifest
from smelt.train.device import device_of

_LOG = logging.getLogger("smelt")
_PROGRESS = "progress.json"
_NEXT = "next.tmp"
_NEWCOMER = 1_000_003


@dataclass(slots=True, kw_only=True)
class Progress:
    """The part of the state that is not tensors."""

    step: int = 0
    best_epoch: int = -1
    best_score: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry per finished epoch."""
    loss_sum: float = 0.0
    loss_count: int = 0
    tokens: int = 0
    flops: float = 0.0
    """Work of this epoch's steps."""
    seconds: float = 0.0
    """Training time so far, over all sittings."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What learns, on one process or spread over several."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    world: World = ALONE


class Checkpoints:
    """The checkpoints of one training in their folder. All processes of the world make the same calls.

    Writing goes on beside the training: what went wrong with it is said by the next call. Leaving the `with` waits for it.
    """

    def __init__(self, folder: Path, learner: Learner, disk: Disk, *, kept: int = 2) -> None:
        """Take the folder, what learns, the disk to write through, and how many checkpoints stay."""
        self._folder, self._learner, self._disk, self._kept = folder, learner, disk, kept
        # What the processes say to each other while they write must not mix with what they say while they train.
        self._group = learner.world.group()
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until what was saved stands; where an error is on its way, it is that one that is told."""
        self._thread.shutdown()
        if kind is None:
            self.wait()

    def save(self, progress: Progress, best: Mapping[str, Tensor]) -> None:
        """Write where training stands now; what changes later does not matter to it.

        Args:
            progress: of this moment.
            best: weights of the best epoch.
        """
        self.wait()
        tensors = {name: tensor.detach().clone() for name, tensor in _tensors(self._learner, best)}
        words = json.dumps(asdict(progress) | {"degrees": _degrees(self._learner.world)})
        work = self._folder / _NEXT
        if self._learner.world.leads:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
        self._learner.world.wait()
        self._writing = self._thread.submit(self._write, tensors, words, progress.step)

    def _write(self, tensors: dict[str, Tensor], words: str, step: int) -> None:
        """Write all shards, then let the folder appear under its number; older ones go afterwards."""
        work, target = self._folder / _NEXT, self._folder / f"step-{step:09d}"
        write_tensors(tensors, work, self._group)
        if self._learner.world.leads:
            (work / _PROGRESS).write_text(words, encoding="utf-8")
            commit_folder(work, target, {"step": step}, self._disk)
            for path in sorted(self._folder.glob("step-*"), reverse=True)[self._kept :]:
                discard(path, self._disk)

    def wait(self) -> None:
        """Wait until what was saved stands.

        Raises:
            EnvironmentFault: the disk is full, read-only or failing.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """Restore the newest whole checkpoint into network, optimizer and torch's random state; say which damaged ones are passed over.

        It may have been written by any number of processes, and spread in any way. Spread in another way, all begin new random states.

        Returns:
            Progress and the best epoch's weights; None if there is no whole checkpoint.
        """
        world = self._learner.world
        step = world.tell(self._newest() if world.leads else 0)
        if step < 0:
            return None
        folder = self._folder / f"step-{step:09d}"
        tensors = _places(self._learner, stored_tensors(folder))
        fill_tensors(tensors, folder, self._group)
        facts = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
        spread_alike = facts.pop("degrees", None) == _degrees(world)
        progress = Progress(**facts)
        self._learner.network.load_state_dict(_under(tensors, "model."))
        _restore_optimizer(self._learner, _under(tensors, "optimizer."))
        if spread_alike:
            _restore_random(tensors, device_of(self._learner.network), world.rank)
        else:  # those that split matrices now had random numbers of their own
            torch.manual_seed(_NEWCOMER * progress.step + world.stream)
        return progress, _under(tensors, "best.")

    def _newest(self) -> int:
        """Return the step of the newest checkpoint that is whole, by its hashes; -1 if there is none."""
        for path in sorted(self._folder.glob("step-*"), reverse=True):
            if read_manifest(path) is not None:
                return int(path.name.removeprefix("step-"))
            _LOG.warning("%s", say("{path}: this checkpoint is damaged; an older one is taken, or the start", path=path))
        return -1


def _tensors(learner: Learner, best: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield everything that a checkpoint holds, each under its own name. A process's random state has its rank in its name."""
    for name, tensor in learner.network.state_dict().items():
        yield f"model.{name}", tensor
    for name, tensor in best.items():
        yield f"best.{name}", tensor
    for place, parameter in learner.network.named_parameters(remove_duplicate=False):  # spread otherwise, each name may be a parameter
        for name, value in learner.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                yield f"optimizer.{name}.{place}", value
    yield f"random.{learner.world.rank}", torch.get_rng_state()
    if device_of(learner.network).type == "cuda":
        yield f"random_cuda.{learner.world.rank}", torch.cuda.get_rng_state()


def _places(learner: Learner, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors to fill, spread as this learner is: those that are stored and that this process needs."""
    own = learner.network.state_dict()
    places = {}
    for name, facts in stored.items():
        kind, _, rest = name.partition(".")
        model = own.get(rest.partition(".")[2] if kind == "optimizer" else rest)
        if rest != str(learner.world.rank) if kind in ("random", "random_cuda") else model is None:
            continue  # another process's
        if model is not None and model.shape == facts.shape:
            places[name] = torch.empty_like(model, dtype=facts.dtype)
        else:
            places[name] = torch.empty_like(facts, device="cpu")
    return places


def _restore_optimizer(learner: Learner, tensors: dict[str, Tensor]) -> None:
    """Give every parameter its state, by name: how parameters are grouped depends on how they are spread."""
    optimizer = learner.optimizer
    places = {id(one): number for number, one in enumerate(one for group in optimizer.param_groups for one in group["params"])}
    own = learner.network.named_parameters(remove_duplicate=False)
    numbers = {name: places[id(parameter)] for name, parameter in own if id(parameter) in places}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        key, _, place = name.partition(".")
        state.setdefault(numbers[place], {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _restore_random(tensors: dict[str, Tensor], device: torch.device, rank: int) -> None:
    torch.set_rng_state(tensors[f"random.{rank}"])
    if f"random_cuda.{rank}" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors[f"random_cuda.{rank}"])


def _degrees(world: World) -> list[int]:
    """Return copies, shards, split matrices and stages."""
    section = world.section
    return [section.copies, section.shard, section.tensor, section.pipeline]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
