"""The loop: forward, loss, backward, update, repeat. A generator; the caller's `for` logs, checkpoints and stops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.models.network import Network
from smelt.recipe.train import Train
from smelt.train.device import device_of
from smelt.train.loader import Batch, epoch_batches, load
from smelt.train.optimize import rate_share
from smelt.train.rows import Rows

Loss = Callable[[Network, Batch], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to train, decided once and kept with the run."""

    epochs: int
    steps_per_epoch: int
    """At most; the first epoch's batches are cut to it where the time budget is short of one pass."""
    precision: Literal["fp32", "bf16"]
    seconds: float
    """Expected duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one optimizer step did."""

    step: int
    """Steps taken so far, this one included."""
    steps: int
    """Of the whole plan."""
    epoch: int
    """From 0."""
    ends_epoch: bool
    loss: float
    learning_rate: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Everything that one training needs."""

    network: Network
    """Trained in place."""
    optimizer: torch.optim.Optimizer
    rows: Rows
    section: Train
    """Batch, schedule, noise, clipping, seed."""
    plan: Plan
    loss: Loss


def fit(training: Training, *, start: int = 0) -> Iterator[Step]:
    """Train from step `start` to the end of the plan, yielding after each optimizer step.

    Args:
        training: network, data, plan and loss.
        start: optimizer steps taken already (resume). Which batch comes next follows from the step's number alone.
    """
    section, plan, optimizer = training.section, training.plan, training.optimizer
    peaks = [group["initial_lr"] for group in optimizer.param_groups]
    lengths = [min(len(_batches(training, epoch)), plan.steps_per_epoch) for epoch in range(plan.epochs)]
    step = 0
    for epoch, length in enumerate(lengths):
        if step + length <= start:
            step += length
            continue
        for number, chosen in enumerate(_batches(training, epoch)[:length]):
            step += 1
            if step <= start:
                continue
            share = rate_share(step - 1, sum(lengths), section.warmup_share)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            batch = load(training.rows, chosen, section.augment, (section.seed, epoch, number))
            value = _update(training, batch)
            ends = number + 1 == length
            yield Step(
                step=step, steps=sum(lengths), epoch=epoch, ends_epoch=ends, loss=value, learning_rate=peaks[0] * share, tokens=batch.tokens
            )


def _batches(training: Training, epoch: int) -> list[NDArray[np.int64]]:
    return epoch_batches(training.rows, training.section, training.section.seed, epoch)


def _update(training: Training, batch: Batch) -> float:
    """Take one optimizer step; return the loss before it."""
    training.network.train()
    device = device_of(training.network)
    with torch.autocast(device.type, torch.bfloat16, enabled=training.plan.precision == "bf16"):
        value = training.loss(training.network, batch.to(device))
    value.backward()
    torch.nn.utils.clip_grad_norm_(training.network.parameters(), training.section.clip_norm)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    return float(value.detach())


def cross_entropy(label_smoothing: float) -> Loss:
    """Return the loss against the labels."""

    def loss(network: Network, batch: Batch) -> Tensor:
        scores = network(batch.ids_BS, batch.mask_BS)
        return torch.nn.functional.cross_entropy(scores.float(), batch.labels_B, label_smoothing=label_smoothing)

    return loss
