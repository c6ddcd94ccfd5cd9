"""Optimizers and the course of the learning rate."""

from typing import assert_never

import torch
from torch.distributed.tensor import DTensor

from smelt.models.network import Network
from smelt.models.transformer import HuggingFaceNetwork, TransformerNetwork
from smelt.recipe.train import AdamW, Sgd
from smelt.train.batch import BatchShape, Examples
from smelt.train.loader import epoch_batches

_EXAMPLES = 64
_NARROW = 512
"""Most dimensions of the state of a small encoder."""


def build_optimizer(network: Network, section: AdamW | Sgd, auto_rate: float, *, head: float = 1.0) -> torch.optim.Optimizer:
    """Build an optimizer over the parameters that learn; matrices decay, biases and norms do not.

    Args:
        network: the module.
        section: kind and settings.
        auto_rate: peak learning rate where the section says `auto`.
        head: how many times `auto_rate` the network's head learns at. A new head on a pretrained encoder has everything to learn, and
            the encoder much to lose.
    """
    own = {id(parameter) for parameter in network.head()} if head != 1.0 else set()
    parts = ([parameter for parameter in network.parameters() if (id(parameter) in own) == is_head] for is_head in (False, True))
    groups = [
        {"params": [one for one in part if one.requires_grad and (one.ndim > 1) == decays], "weight_decay": section.weight_decay * decays}
        for part in parts
        for decays in (True, False)
    ]
    groups = [alike for group in (groups if own else groups[:2]) for alike in _by_layout(group)]
    match section:
        case AdamW():
            rate = auto_rate if section.learning_rate == "auto" else section.learning_rate
            optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
        case Sgd():
            optimizer = torch.optim.SGD(groups, lr=section.learning_rate, momentum=section.momentum, fused=True)
        case _:
            assert_never(section)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"] * (head if any(id(parameter) in own for parameter in group["params"]) else 1.0)
    return optimizer


def _by_layout(group: dict) -> list[dict]:
    """Divide a group by how its parameters are spread over processes: a fused step takes alike ones only."""
    layouts = {}
    for parameter in group["params"]:
        layout = (parameter.device_mesh, parameter.placements) if isinstance(parameter, DTensor) else None
        layouts.setdefault(layout, []).append(parameter)
    return [group | {"params": parameters} for parameters in layouts.values()] or [group]


def pretrained_rate(network: HuggingFaceNetwork) -> float:
    """Return the peak learning rate of a pretrained transformer for batches of 64: small ones bear larger rates than wide ones."""
    return 2e-4 if network.embedding.embedding_dim <= _NARROW else 5e-5


def rate_for(network: Network, rows: Examples, shape: BatchShape) -> float:
    """Return the share of an `auto` learning rate that a transformer bears in batches of fewer than 64 examples: their share of 64.

    Long documents make small batches, and what suits 64 short ones throws a network off that sees 8 at a time. Source: Goyal et al.
    2017, arXiv 1706.02677, section 2.1.
    """
    if not isinstance(network, TransformerNetwork):
        return 1.0
    examples = len(rows) / max(1, len(epoch_batches(rows, shape, 0, 0)))
    return min(1.0, examples / _EXAMPLES)


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
