"""Optimizers and the course of the learning rate."""

import math
from typing import assert_never

import torch
from torch import nn

from smelt.recipe.train import AdamW, Sgd
from smelt.train.loader import BatchShape, epoch_batches
from smelt.train.rows import Rows

_EXAMPLES = 64


def build_optimizer(network: nn.Module, section: AdamW | Sgd, auto_rate: float) -> torch.optim.Optimizer:
    """Build an optimizer over the parameters that learn; matrices decay, biases and norms do not.

    Args:
        network: the module.
        section: kind and settings.
        auto_rate: peak learning rate where the section says `auto`.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learning if parameter.ndim > 1], "weight_decay": section.weight_decay},
        {"params": [parameter for parameter in learning if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    match section:
        case AdamW():
            rate = auto_rate if section.learning_rate == "auto" else section.learning_rate
            optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
        case Sgd():
            optimizer = torch.optim.SGD(groups, lr=section.learning_rate, momentum=section.momentum, fused=True)
        case _:
            assert_never(section)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def rate_for(rows: Rows, shape: BatchShape) -> float:
    """Return the share of an `auto` learning rate that batches of fewer than 64 examples bear: the root of their share of 64.

    Long documents make small batches, and what suits 64 short ones throws a network off that sees 8 at a time. Source: Krizhevsky
    2014, arXiv 1404.5997, section 5.
    """
    examples = len(rows) / max(1, len(epoch_batches(rows, shape, 0, 0)))
    return min(1.0, math.sqrt(examples / _EXAMPLES))


def rate_share(step: int, steps: int, warmup_share: float) -> float:
    """Return the share of the peak learning rate at a step: up linearly over the warm-up, then down linearly to 0.

    Args:
        step: number of the step that is about to be taken, from 0.
        steps: of the whole training.
        warmup_share: fraction of the steps that rise.
    """
    warmup = int(steps * warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))
