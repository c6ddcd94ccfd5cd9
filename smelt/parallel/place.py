"""Spread a network over the processes: copies, shards, or copies of shards."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from smelt.models.network import Network
from smelt.parallel.world import SHARD, World


def place(network: Network, world: World, precision: Literal["fp32", "bf16"]) -> Network:
    """Return what is called in the network's stead; its gradients are the mean over all processes.

    Args:
        network: where its device is; sharded in place.
        world: the processes.
        precision: of what shards send each other; gradients are summed in fp32.
    """
    section = world.section
    if world.size == 1 or section.sync_every > 1:
        return network
    assert world.mesh is not None
    if section.shard == 1:
        # The graph is the same in every step: parameters that it does not use are found once.
        return cast("Network", DistributedDataParallel(network, static_graph=section.microbatches == 1))
    mesh = world.mesh if section.replicate > 1 else world.mesh[SHARD]
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if precision == "bf16" else None, reduce_dtype=torch.float32)
    for block in network.blocks():
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh, mp_policy=policy)
    return network


@contextmanager
def collecting(network: nn.Module, *, last: bool) -> Iterator[None]:
    """Send gradients after the last piece of a batch only."""
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(last)
    held = network.no_sync() if isinstance(network, DistributedDataParallel) and not last else nullcontext()
    with held:
        yield


@torch.no_grad()
def meet(network: nn.Module, optimizer: torch.optim.Optimizer, world: World) -> None:
    """Give copies that learn by themselves the mean of their weights and moments. Local SGD: Stich 2019, arXiv 1805.09767."""
    if world.section.sync_every == 1:
        return
    moments = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor) and value.ndim]
    for tensor in [*network.parameters(), *moments]:
        tensor.copy_(world.sum(tensor) / world.size)
