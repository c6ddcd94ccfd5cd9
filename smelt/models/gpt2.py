"""GPT-2 with matrices like everybody else's: the library keeps query, key and value in one, and all of them transposed.

Shape letters: D width of the state.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

_THREE = ("query", "key", "value")


class ThreeMatrices(nn.Module):
    """Stands for the one matrix, so that heads can be split over processes."""

    def __init__(self, fused: Conv1D) -> None:
        """Take the one matrix apart."""
        super().__init__()
        weights, biases = fused.weight.detach().chunk(3, 1), fused.bias.detach().chunk(3)
        for name, weight, bias in zip(_THREE, weights, biases, strict=True):
            setattr(self, name, _linear(weight, bias))

    def forward(self, states: Tensor) -> Tensor:
        """Return what the one matrix would, as far as its heads are here. Shape (B, S, 3 D)."""
        return torch.cat([getattr(self, name)(states) for name in _THREE], -1)


def take_apart(model: GPT2LMHeadModel) -> None:
    """Give every layer matrices of its own, in place."""
    layers: Any = model.transformer.h
    for layer in layers:
        layer.attn.c_attn = ThreeMatrices(layer.attn.c_attn)
        layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj = (
            _linear(one.weight.detach(), one.bias.detach()) for one in (layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj)
        )


def put_together(model: PreTrainedModel) -> Mapping[str, Tensor]:
    """Return the weights as the library has them; what is tied stands once."""
    own = model.state_dict()
    whole = {name: tensor for name, tensor in own.items() if ".attn." not in name and ".mlp." not in name and name != "lm_head.weight"}
    for name, tensor in own.items():
        if ".c_attn.query." in name:
            parts = [own[name.replace("query", each)] for each in _THREE]
            whole[name.replace(".query", "")] = torch.cat([part.T if part.ndim > 1 else part for part in parts], -1).contiguous()
        elif (".attn." in name or ".mlp." in name) and ".c_attn." not in name:
            whole[name] = tensor.T.contiguous() if tensor.ndim > 1 else tensor
    return whole


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Return a matrix of the usual kind from a transposed one."""
    rows, columns = weight.shape
    linear = nn.Linear(rows, columns, device="meta")
    linear.weight, linear.bias = nn.Parameter(weight.T.contiguous()), nn.Parameter(bias.clone())
    return linear
