"""How fast this machine trains this network, and how many epochs fit into the time there is."""

import copy
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from smelt.models.network import Network
from smelt.parallel.place import place
from smelt.parallel.world import ALONE, World
from smelt.recipe.train import Train
from smelt.tasks.padding import pad
from smelt.train.batch import Examples
from smelt.train.device import find_device
from smelt.train.fit import Loss, Plan, Training, fit
from smelt.train.loader import epoch_batches
from smelt.train.optimize import build_optimizer
from smelt.train.rows import Rows

_TRIAL_STEPS, _LEAST_STEPS, _TRIAL_SECONDS = 6, 3, 3.0
"""Of one precision: so many steps; where they take longer than that, fewer. Several processes take all, so that none waits for another."""
_LEAST_EPOCHS, _SEEN = 3, 200_000
"""Passes that a classifier may always take, and documents after which it takes no further one."""
# bf16 has to gain this much before it is taken: below it, the rounding is not worth it.
_GAIN = 1.1


@dataclass(frozen=True, slots=True)
class Pace:
    """Measured speed of training, on batches of the data itself."""

    seconds_per_step: float
    precision: Literal["fp32", "bf16"]


def measure_pace(network: Network, rows: Examples, section: Train, loss: Loss, world: World = ALONE) -> Pace:
    """Take a few steps on a copy in each precision that the section allows; keep the faster. All processes of the world take part."""
    options: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16") if section.precision == "auto" else (section.precision,)
    seconds: dict[str, float] = {}
    steps = _TRIAL_STEPS
    for precision in options:  # the same batches for each: some are longer than others
        plan = Plan(epochs=1, steps_per_epoch=steps, precision=precision, seconds=0.0)
        seconds[precision], steps = _seconds_per_step(network, rows, section, loss, plan, world)
    if "bf16" in seconds and ("fp32" not in seconds or seconds["bf16"] * _GAIN < seconds["fp32"]):
        return Pace(seconds["bf16"], "bf16")
    return Pace(seconds["fp32"], "fp32")


def _seconds_per_step(network: Network, rows: Examples, section: Train, loss: Loss, plan: Plan, world: World) -> tuple[float, int]:
    """Median over the plan's steps or fewer, the first one not counted, and how many there were."""
    state = torch.get_rng_state()
    trial = copy.deepcopy(network).to(find_device(section.device))
    placed = place(trial, world, plan.precision)
    optimizer = build_optimizer(trial, section.optimizer, 1e-5)
    training = Training(network=placed, optimizer=optimizer, rows=rows, section=section, plan=plan, loss=loss, world=world)
    ticks = [time.perf_counter()]
    for _ in fit(training):
        ticks.append(time.perf_counter())
        if world.size == 1 and len(ticks) > _LEAST_STEPS and ticks[-1] - ticks[0] > _TRIAL_SECONDS:
            break
    torch.set_rng_state(state)
    laps = np.diff(ticks)
    return float(np.median(laps[1:] if len(laps) > 1 else laps)), len(laps)


def most_epochs(section: Train, rows: int) -> int:
    """Return the upper end of `auto` for a classifier: fewer passes over a large table, so that the falling learning rate is reached.

    Fine-tuning takes three passes in the literature (Devlin et al. 2019); small tables gain by more of them, large ones learn by heart.
    """
    return min(section.max_epochs, max(_LEAST_EPOCHS, _SEEN // max(1, rows)))


def make_plan(pace: Pace, rows: Examples, section: Train, *, seconds: float, epochs: int | Literal["auto"], most: int) -> Plan:
    """Fit epochs into a time.

    Args:
        pace: measured speed.
        rows: training rows.
        section: batch size and seed.
        seconds: there are for this training.
        epochs: a number, taken as it is, or `auto`.
        most: upper end of `auto`.
    """
    batches = len(epoch_batches(rows, section, section.seed, 0))
    affordable = max(1, int(seconds / pace.seconds_per_step))
    chosen = min(most, max(1, affordable // batches)) if epochs == "auto" else epochs
    steps = min(batches, affordable) if epochs == "auto" and chosen == 1 else batches
    steps_per_epoch = steps if steps < batches else 2**31
    return Plan(epochs=chosen, steps_per_epoch=steps_per_epoch, precision=pace.precision, seconds=chosen * steps * pace.seconds_per_step)


def scoring_speed(network: Network, rows: Rows, section: Train, *, seconds: float = 2.0, precision: str = "fp32") -> float:
    """Return how many tokens per second a network answers, measured on batches of the data for about so many seconds."""
    device = find_device(section.device)
    network.to(device).eval()
    batches = epoch_batches(rows, section, section.seed, 0)
    tokens, started = 0, 0.0
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for number, chosen in enumerate(batches):
            if number == 1:
                tokens, started = 0, time.perf_counter()
            ids, mask = pad(rows.take(chosen))
            network(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)).cpu()
            tokens += int(mask.sum())
            if number >= 1 and time.perf_counter() - started > seconds:
                break
    return tokens / max(1e-9, time.perf_counter() - started) if started else 1e9
