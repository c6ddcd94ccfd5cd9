"""How much arithmetic a training step is, and how much this machine could do in the time."""

import time
from dataclasses import dataclass

import torch

from smelt.models.language import LanguageNetwork
from smelt.models.network import Network
from smelt.models.transformer import HuggingFaceNetwork

_SIZE = {"cpu": 1024, "cuda": 8192}
"""Of the matrices: so large that starting the product is nothing beside it."""
_TRIES = 5
_TRAINED = 3
"""A backward pass is two forward passes."""


@dataclass(frozen=True, slots=True)
class Flops:
    """Floating-point operations of training, forward and backward, as the model needs them: work done twice to save memory counts once.

    Source: Chowdhery et al. 2022, arXiv 2204.02311, appendix B.
    """

    per_token: float
    per_pair: float
    """Of each two tokens of one row, by attention."""

    def of(self, tokens: int, pairs: int) -> float:
        """Return the operations of a step."""
        return self.per_token * tokens + self.per_pair * pairs


NO_FLOPS = Flops(0.0, 0.0)


def count_flops(network: Network) -> Flops:
    """Count what each token of a transformer meets: the matrices of its layers, and of a decoder its head. Other networks are not counted.

    Args:
        network: whole, before it is spread over processes.
    """
    if not isinstance(network, HuggingFaceNetwork):
        return NO_FLOPS
    config, blocks = network.hugging_face.config, network.blocks()
    weights = sum(one.numel() for block in blocks for one in block.parameters() if one.ndim > 1)
    if isinstance(network, LanguageNetwork) and network.causal:
        weights += int(config.hidden_size) * int(config.vocab_size)
    return Flops(per_token=_TRAINED * 2.0 * weights, per_pair=_TRAINED * 4.0 * len(blocks) * int(config.hidden_size))


def peak_flops(device: torch.device, precision: str) -> float:
    """Measure the operations per second of a product of two large matrices: the best of a few."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size = _SIZE[device.type]
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_TRIES):
        _finish(device)
        started = time.perf_counter()
        torch.mm(left, right)
        _finish(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * size**3 / best


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
