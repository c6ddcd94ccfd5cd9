"""The loop: forward, loss, backward, update, repeat. A generator; the caller's `for` logs, checkpoints and stops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.models.network import Network
from smelt.parallel.pipeline import Piece, work_off
from smelt.parallel.place import clip, meet
from smelt.parallel.pulse import COMPUTED, COMPUTES
from smelt.parallel.world import ALONE, World
from smelt.recipe.train import Train
from smelt.train.batch import Batch, Examples, Reading
from smelt.train.device import device_of
from smelt.train.flops import NO_FLOPS, Flops
from smelt.train.loader import epoch_batches
from smelt.train.optimize import rate_share

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
    peak_flops: float = 0.0
    """Operations per second that the machines of all processes were measured to do at most."""


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
    flops: float
    """Operations of all processes together, as the model needs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Everything that one training needs."""

    network: Network
    """Trained in place; what `parallel.place` made of it where several processes train."""
    optimizer: torch.optim.Optimizer
    rows: Examples
    section: Train
    """Batch, schedule, noise, clipping, seed."""
    plan: Plan
    loss: Loss
    """The mean over the examples of a batch, or over the tokens to guess in it."""
    world: World = ALONE
    flops: Flops = NO_FLOPS
    """Of the whole network; so that steps can say how much work they were."""


def fit(training: Training, *, start: int = 0) -> Iterator[Step]:
    """Train from step `start` to the end of the plan, yielding after each optimizer step.

    Every process of the world goes through the same batches, each with its share of every one.

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
            reading = training.rows.read(chosen, section.augment, (section.seed, epoch, number))
            tokens = reading.lengths
            training.world.beat(step, COMPUTES)
            value = _update(training, reading, step)
            ends = number + 1 == length
            if ends or step % training.world.section.sync_every == 0:
                meet(training.network, optimizer, training.world)
            yield Step(
                step=step, steps=sum(lengths), epoch=epoch, ends_epoch=ends, loss=value, learning_rate=peaks[0] * share,
                tokens=int(tokens.sum()), flops=training.flops.of(int(tokens.sum()), int((tokens**2).sum())),
            )  # fmt: skip


def _batches(training: Training, epoch: int) -> list[NDArray[np.int64]]:
    return epoch_batches(training.rows, training.section, training.section.seed, epoch)


def _update(training: Training, reading: Reading, step: int) -> float:
    """Take one optimizer step on this process's share of a batch; return the loss of the whole batch before it.

    Gradients are averaged over readers, so each counts its examples' mean by its share of the batch's weight, times the readers.
    """
    network, world = training.network, training.world
    network.train()
    device = device_of(network)
    pieces, weights = [], reading.weights
    whole = max(1, int(weights.sum()))
    for piece in np.array_split(world.share(len(weights)), world.section.pieces):
        # A process without examples computes one of them for nothing: it has to take part in what all do together.
        places = piece if len(piece) else np.zeros(1, np.int64)
        batch, weight = reading.batch(places).to(device), int(weights[piece].sum()) / whole
        pieces.append(Piece(batch.ids_BS, batch.mask_BS, partial(_weighed, training, batch, weight, step)))
    with torch.autocast(device.type, torch.bfloat16, enabled=training.plan.precision == "bf16"):
        total = work_off(network, pieces, world)
    clip(network, training.section.clip_norm, world)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    return float(world.sum(total))


def _weighed(training: Training, batch: Batch, weight: float, step: int, network: Network) -> Tensor:
    value = training.loss(network, batch) * weight
    training.world.beat(step, COMPUTED)
    return value


def cross_entropy(label_smoothing: float) -> Loss:
    """Return the loss against the labels."""

    def loss(network: Network, batch: Batch) -> Tensor:
        scores = network(batch.ids_BS, batch.mask_BS)
        return torch.nn.functional.cross_entropy(scores.float(), batch.targets, label_smoothing=label_smoothing)

    return loss
