"""Tensors that are spread over processes, put together."""

from collections.abc import Mapping

from torch import Tensor
from torch.distributed.tensor import DTensor

from smelt.parallel.world import World


def whole(tensors: Mapping[str, Tensor], world: World) -> dict[str, Tensor]:
    """Return the tensors in full, on the CPU, where the world is led; nothing elsewhere. All processes call it, with the same names."""
    found = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if world.leads:
            found[name] = full.detach().to("cpu", copy=True).contiguous()
    return found
