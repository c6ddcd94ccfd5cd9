"""Where training stands: weights, optimizer, random state, history. Safetensors and JSON; written whole or not at all."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smelt.parallel.state import like, whole
from smelt.parallel.world import ALONE, World
from smelt.run.disk import Disk, commit_folder, discard, read_manifest
from smelt.train.device import device_of

_TENSORS = "state.safetensors"
_PROGRESS = "progress.json"
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
    seconds: float = 0.0
    """Training time so far, over all sittings."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What learns, on one process or spread over several."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    world: World = ALONE


def save_checkpoint(folder: Path, learner: Learner, progress: Progress, best: dict[str, Tensor], disk: Disk) -> None:
    """Replace the checkpoint in a folder: write `next`, then give it its number; older ones go afterwards.

    All processes of the world call it. Shards are put together, so that any number of processes can go on from it.
    """
    network, optimizer, world = learner.network, learner.optimizer, learner.world
    tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    tensors |= {f"random.{rank}": state for rank, state in enumerate(world.gather(torch.get_rng_state()))}
    if device_of(network).type == "cuda":
        tensors |= {f"random_cuda.{rank}": state for rank, state in enumerate(world.gather(torch.cuda.get_rng_state()))}
    full = whole(tensors, world)
    if world.leads:
        _write(folder, full, progress, disk)
    world.wait()


def _write(folder: Path, tensors: dict[str, Tensor], progress: Progress, disk: Disk) -> None:
    work = folder / "next.tmp"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    save_file(tensors, work / _TENSORS)
    (work / _PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
    target = folder / f"step-{progress.step:09d}"
    older = [path for path in folder.glob("step-*") if path != target]
    commit_folder(work, target, {"step": progress.step}, disk)
    for path in older:
        discard(path, disk)


def load_checkpoint(folder: Path, learner: Learner) -> tuple[Progress, dict[str, Tensor]] | None:
    """Restore the newest whole checkpoint into network, optimizer and torch's random state.

    It may have been written by any number of processes, and spread in any way. A process that was not among them begins a random state.

    Returns:
        Progress and the best epoch's weights; None if there is no whole checkpoint.
    """
    found = next((path for path in sorted(folder.glob("step-*"), reverse=True) if read_manifest(path) is not None), None)
    if found is None:
        return None
    tensors, progress = load_file(found / _TENSORS), Progress(**json.loads((found / _PROGRESS).read_text(encoding="utf-8")))
    own = learner.network.state_dict()
    learner.network.load_state_dict({name: like(tensor, own[name]) for name, tensor in _under(tensors, "model.").items()})
    _restore_optimizer(learner.optimizer, _under(tensors, "optimizer."))
    _restore_random(tensors, progress, device_of(learner.network), learner.world.rank)
    return progress, {name: like(tensor, own[name]) for name, tensor in _under(tensors, "best.").items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        parameter = parameters[int(number)]
        state.setdefault(int(number), {})[key] = like(tensor, parameter) if tensor.shape == parameter.shape else tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _restore_random(tensors: dict[str, Tensor], progress: Progress, device: torch.device, rank: int) -> None:
    if f"random.{rank}" not in tensors:
        torch.manual_seed(_NEWCOMER * progress.step + rank)
        return
    torch.set_rng_state(tensors[f"random.{rank}"])
    if f"random_cuda.{rank}" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors[f"random_cuda.{rank}"])


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
