"""Consecutive layers of a transformer as stages of a pipeline. The library's own modules run on; each stage lacks what others hold.

Shape letters: B batch, S sequence, D width, C classes.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from smelt.models.language import LanguageNetwork
from smelt.models.transformer import HuggingFaceNetwork, layers_of

Part = TypeVar("Part", bound=nn.Module)


class Passing(nn.Module):
    """Stands for what another stage does: returns the states that came."""

    def forward(self, *given: Tensor | None, inputs_embeds: Tensor | None = None, **_: object) -> Tensor:
        """Return the states: the first thing given by place, as layers and some embeddings get them, or by name, as other embeddings."""
        return next(one for one in (*given, inputs_embeds) if one is not None)


class Nothing(nn.Module):
    """Stands for the positions that another stage has added: adds nothing."""

    def forward(self, given: Tensor) -> Tensor:
        """Return a zero that any state can be added to."""
        return torch.zeros((), device=given.device)


class Stage(nn.Module):
    """One stage: token numbers or states in, states or scores out. It shares its layers with the network that it was cut from."""

    def __init__(self, network: HuggingFaceNetwork, held: range) -> None:
        """Cut the layers `held` out of a network, which stays as it is."""
        super().__init__()
        depth = network.depth
        self.first, self.last = held.start == 0, held.stop == depth
        self.words = network.words
        self.hugging_face = _without(network.hugging_face, [number for number in range(depth) if number not in held])
        _leave_out_ends(self.hugging_face, first=self.first, last=self.last)

    def forward(self, given: Tensor, mask_BS: Tensor) -> Tensor:
        """Return scores from the last stage, as the network does, states (B, S, D) from the others.

        Args:
            given: token numbers (B, S) for the first stage, states (B, S, D) for the others.
            mask_BS: as the network takes it.
        """
        named = {"input_ids": given} if self.first else {"inputs_embeds": given}
        if self.last:
            return self.hugging_face(**named, **self.words(mask_BS)).logits.float()
        base = getattr(self.hugging_face, self.hugging_face.base_model_prefix)
        states_BSD = base(**named, **self.words(mask_BS)).last_hidden_state.float()
        # Zero-bubble schedules detach what a stage puts out in place, which a view, such as GPT-2's, does not bear.
        return states_BSD.clone() if states_BSD._is_view() else states_BSD


def cut_stages(network: HuggingFaceNetwork, held: Sequence[range]) -> list[Stage]:
    """Return stages of a network, and throw out of it, in place, what none of them holds. Names of what stays do not change."""
    stages = [Stage(network, layers) for layers in held]
    kept = {number for layers in held for number in layers}
    network.hugging_face = _without(network.hugging_face, [number for number in range(network.depth) if number not in kept])
    _leave_out_ends(network.hugging_face, first=any(stage.first for stage in stages), last=any(stage.last for stage in stages))
    return stages


def costs_of(network: HuggingFaceNetwork) -> tuple[list[float], float]:
    """Return what each layer costs, estimated by the weights that every token meets, and what the scores of a language model cost."""
    layers = [float(sum(one.numel() for one in block.parameters() if one.ndim > 1)) for block in network.blocks()]
    config = network.hugging_face.config
    return layers, float(config.hidden_size * config.vocab_size) if isinstance(network, LanguageNetwork) else 0.0


def spread_layers(costs: Sequence[float], stages: int, last: float = 0.0) -> list[range]:
    """Return which layers each stage holds, so that the costliest stage costs as little as can be; of equals the first ones hold fewer.

    Args:
        costs: of each layer; there are as many as stages, at least.
        stages: how many.
        last: what the last stage has to do beside its layers.
    """
    before, depth = np.concatenate([[0.0], np.cumsum(costs)]), len(costs)
    # highest[i]: cost of the costliest stage when the first i layers make so many stages; cuts say where the last of these begins.
    highest, cuts = [0.0, *[np.inf] * depth], []
    for stage in range(stages):
        extra = last if stage == stages - 1 else 0.0
        options = [
            min((max(highest[cut], before[end] - before[cut] + extra), cut) for cut in range(end)) if end else (np.inf, 0)
            for end in range(depth + 1)
        ]
        highest, cuts = [cost for cost, _ in options], [*cuts, [cut for _, cut in options]]
    ends = [depth]
    for begins in reversed(cuts):
        ends.append(begins[ends[-1]])
    ends.reverse()
    return [range(start, end) for start, end in pairwise(ends)]


def _without(model: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """Return the same modules in another tree: the layers with these numbers only pass on."""
    names = next(name for name, module in model.named_modules() if module is layers_of(model)).split(".")
    top = node = _shallow(model)
    for name in names:
        child = _shallow(node.get_submodule(name))
        setattr(node, name, child)
        node = child
    for number in layers:
        node[number] = Passing()  # pyright: ignore[reportIndexIssue]  a ModuleList
    return top


def _shallow(module: Part) -> Part:
    """Return a module that holds the same parts, and may come to hold others."""
    found = copy.copy(module)
    found._modules = dict(module._modules)
    return found


def _leave_out_ends(model: PreTrainedModel, *, first: bool, last: bool) -> None:
    """Keep the embeddings with the first layers, and last norm, pooler and head with the last ones, alone."""
    prefix = model.base_model_prefix
    base = getattr(model, prefix)
    if not first:
        for name in ("embeddings", "embeddings_project", "embed_tokens", "wte"):
            if hasattr(base, name):
                setattr(base, name, Passing())
        if hasattr(base, "wpe"):
            base.wpe = Nothing()
    if not last:
        if hasattr(base, "pooler"):
            base.pooler = None
        for name in ("norm", "ln_f"):
            if hasattr(base, name):
                setattr(base, name, Passing())
        for name in [name for name, _ in model.named_children() if name != prefix]:
            setattr(model, name, Passing())
