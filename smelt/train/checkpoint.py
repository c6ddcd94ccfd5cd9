"""Where training stands: weights, optimizer, random state, history. Safetensors and JSON; written whole or not at all."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smelt.run.disk import Disk, commit_folder, discard, read_manifest
from smelt.train.device import device_of

_TENSORS = "state.safetensors"
_PROGRESS = "progress.json"


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


def save_checkpoint(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, best: dict[str, Tensor], disk: Disk
) -> None:
    """Replace the checkpoint in a folder: write `next`, then give it its number; older ones go afterwards."""
    work = folder / "next.tmp"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    tensors["random"] = torch.get_rng_state()
    if device_of(network).type == "cuda":
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, work / _TENSORS)
    (work / _PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
    target = folder / f"step-{progress.step:09d}"
    older = [path for path in folder.glob("step-*") if path != target]
    commit_folder(work, target, {"step": progress.step}, disk)
    for path in older:
        discard(path, disk)


def load_checkpoint(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Progress, dict[str, Tensor]] | None:
    """Restore the newest whole checkpoint into network, optimizer and torch's random state.

    Returns:
        Progress and the best epoch's weights; None if there is no whole checkpoint.
    """
    whole = next((path for path in sorted(folder.glob("step-*"), reverse=True) if read_manifest(path) is not None), None)
    if whole is None:
        return None
    tensors = load_file(whole / _TENSORS)
    network.load_state_dict(_under(tensors, "model."))
    _restore_optimizer(optimizer, _under(tensors, "optimizer."))
    torch.set_rng_state(tensors["random"])
    if "random_cuda" in tensors and device_of(network).type == "cuda":
        torch.cuda.set_rng_state(tensors["random_cuda"])
    progress = Progress(**json.loads((whole / _PROGRESS).read_text(encoding="utf-8")))
    return progress, _under(tensors, "best.")


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
