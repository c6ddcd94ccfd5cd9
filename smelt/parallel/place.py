"""Spread a network over the processes: copies, shards, matrices that are split, and their products."""

import math
from typing import Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.language import LanguageNetwork
from smelt.models.network import Network
from smelt.models.parts import KNOWN, Parts, find_parts, head_width, linear_of
from smelt.models.stages import costs_of, cut_stages, spread_layers
from smelt.models.transformer import HuggingFaceNetwork
from smelt.parallel.pipeline import Shape, Staged
from smelt.parallel.sequence import BY_TOKEN, pad_tokens, split_states
from smelt.parallel.world import REPLICATE, SHARD, TENSOR, World
from smelt.recipe.parallel import Parallel

_TINY = 1e-6
"""As in torch's own clipping."""


def place(network: Network, world: World, precision: Literal["fp32", "bf16"]) -> Network:
    """Return what is called in the network's stead; its gradients are the mean over all processes that read other examples.

    Args:
        network: where its device is; split and sharded in place.
        world: the processes.
        precision: of what shards send each other; gradients are summed in fp32.

    Raises:
        UsageFault: the network cannot be split by so many.
    """
    section = world.section
    if world.size == 1 or section.sync_every > 1:
        return network
    assert world.mesh is not None
    if section.tensor > 1:
        split(network, world.mesh[TENSOR], by_token=section.sequence)
    roots: list[nn.Module] = [network]
    placed, blocks = network, list(network.blocks())
    if section.pipeline > 1:
        roots, placed = _staged(network, world)
        held = {id(module) for module in network.modules()}
        blocks = [block for block in blocks if id(block) in held]
    elif section.sequence:
        split_states(blocks, world.mesh[TENSOR], check_split(network, section.tensor))
        pad_tokens(network, section.tensor)
    if world.readers == 1:
        return placed
    if section.shard == section.tensor == section.pipeline == 1:
        # The graph is the same in every step: parameters that it does not use are found once.
        return cast("Network", DistributedDataParallel(network, static_graph=section.pieces == 1))
    mesh = world.mesh[REPLICATE, SHARD] if section.copies > 1 else world.mesh[SHARD]
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if precision == "bf16" else None, reduce_dtype=torch.float32)
    for part in [*blocks, *roots]:
        fully_shard(part, mesh=mesh, mp_policy=policy)
    return placed


def _staged(network: Network, world: World) -> tuple[list[nn.Module], Network]:
    """Keep this process's stages of a network; return them, and what runs them."""
    assert isinstance(network, HuggingFaceNetwork)
    section, config = world.section, network.hugging_face.config
    multiple = section.tensor if section.sequence else 1
    shape = Shape(width=config.hidden_size, scores=config.num_labels or 0, multiple=multiple)
    if isinstance(network, LanguageNetwork):
        shape = Shape(
            width=config.hidden_size, scores=config.vocab_size, per_token=True, tied=config.tie_word_embeddings, multiple=multiple
        )  # fmt: skip
    check_stages(network, section.stages)
    costs, last = costs_of(network)
    held = spread_layers(costs, section.stages, last)[world.stage :: section.pipeline]
    if section.sequence:
        assert world.mesh is not None
        for layers in held:
            split_states(list(network.blocks())[layers.start : layers.stop], world.mesh[TENSOR], check_split(network, section.tensor))
    stages: list[nn.Module] = list(cut_stages(network, held))
    return stages, cast("Network", Staged(network, stages, world, shape))


def check_stages(network: Network, stages: int) -> None:
    """Refuse a pipeline that the network is too shallow for.

    Raises:
        UsageFault: it says how many stages there can be.
    """
    depth = len(network.blocks())
    if stages > 1 and depth < stages:
        raise UsageFault(
            say("parallel.pipeline: {stages} stages of {layers} layers", stages=stages, layers=depth),
            step=say("Take at most {layers} stages; interleaved and zero-bubble schedules have two per process.", layers=depth),
        )


def check_spread(network: Network, section: Parallel) -> None:
    """Refuse what the network is too small or too unknown for, before processes are started.

    Raises:
        UsageFault: it names what can be.
    """
    if section.tensor > 1:
        check_split(network, section.tensor)
    check_stages(network, section.stages)


def split(network: Network, mesh: DeviceMesh, *, by_token: bool = False) -> None:
    """Give each process of the mesh its share of every layer's heads and feed-forward columns. Shoeybi et al. 2019, arXiv 1909.08053.

    Args:
        network: changed in place.
        mesh: of the processes.
        by_token: whether what comes out of a layer's two halves is split by token, or every process has all of it.

    Raises:
        UsageFault: see `check_split`.
    """
    parts = check_split(network, mesh.size())
    for block in network.blocks():
        plan: dict[str, ParallelStyle] = {name: ColwiseParallel() for name in parts.by_row}
        plan |= {name: RowwiseParallel(output_layouts=BY_TOKEN if by_token else Replicate()) for name in parts.by_column}
        parallelize_module(block, mesh, plan)
        for module in block.modules():
            if hasattr(module, "split_size"):  # GPT-2's attention cuts what its three matrices put out into three
                module.split_size //= mesh.size()  # pyright: ignore[reportOperatorIssue, reportArgumentType]  a number


def check_split(network: Network, tensor: int) -> Parts:
    """Return the matrices to split.

    Raises:
        UsageFault: the architecture is unknown, or its heads or columns cannot be shared evenly; it names what can be.
    """
    parts = find_parts(network)
    if parts is None or not isinstance(network, HuggingFaceNetwork):
        raise UsageFault(
            say("parallel.tensor: the matrices of this model cannot be split"), step=say("Known are {known}.", known=", ".join(KNOWN))
        )
    width = head_width(network, parts)
    # Of queries there are as many heads as of keys, or a multiple.
    layers = [(linear_of(block, parts.key).out_features // width, linear_of(block, parts.up).out_features) for block in network.blocks()]
    if any(heads % tensor or columns % tensor for heads, columns in layers):
        most = min(heads for heads, _ in layers)
        legal = [n for n in range(1, most + 1) if not any(heads % n or columns % n for heads, columns in layers)]
        raise UsageFault(
            say("parallel.tensor: {tensor} processes cannot share {heads} heads and {columns} feed-forward columns evenly",
                tensor=tensor, heads=layers[0][0], columns=layers[0][1]),
            step=say("Take one of {legal}.", legal=", ".join(map(str, legal))),
        )  # fmt: skip
    return parts


def clip(network: nn.Module, longest: float, world: World) -> None:
    """Scale the gradients down together where they are longer than that.

    Args:
        network: with gradients; in a world of several, matrices may be spread in different ways.
        longest: Euclidean length over all of them.
        world: the processes.
    """
    if world.section.tensor == world.section.pipeline == 1:
        torch.nn.utils.clip_grad_norm_(network.parameters(), longest)
        return
    for parameter in network.parameters():
        parameter.grad = _whole(parameter.grad)
    twin = network.twin if isinstance(network, Staged) else None
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    # What two stages hold a copy of counts once.
    counted = [parameter.grad for parameter in network.parameters() if parameter.grad is not None and parameter is not twin]
    length = math.sqrt(world.over_stages(_squares(counted)))
    for gradient in gradients:
        gradient.mul_(min(1.0, longest / (length + _TINY)))


def _whole(gradient: Tensor | None) -> Tensor | None:
    """Add up a gradient of which each process has seen the tokens of its own, as those of norms that work by token."""
    if not isinstance(gradient, DTensor) or not any(placement.is_partial() for placement in gradient.placements):
        return gradient
    return gradient.redistribute(placements=[Replicate() if one.is_partial() else one for one in gradient.placements])


def _squares(gradients: list[Tensor]) -> float:
    """Return the sum of the squares of all entries. Processes exchange one number per way that matrices are spread, not per matrix.

    Args:
        gradients: added up over the processes (`_whole`), spread or not.
    """
    spread: dict[tuple[DeviceMesh | None, tuple[int, ...]], list[Tensor]] = {}
    for one in gradients:
        if isinstance(one, DTensor):
            dimensions = tuple(place for place, placement in enumerate(one.placements) if not placement.is_replicate())
            spread.setdefault((one.device_mesh, dimensions), []).append(one.to_local())
        else:
            spread.setdefault((None, ()), []).append(one)
    found = 0.0
    for (mesh, dimensions), parts in spread.items():
        total = torch.stack([torch.linalg.vector_norm(part).double() for part in parts]).square().sum()
        for dimension in dimensions:
            assert mesh is not None
            dist.all_reduce(total, group=mesh.get_group(dimension))
        found += float(total)
    return found


@torch.no_grad()
def meet(network: nn.Module, optimizer: torch.optim.Optimizer, world: World) -> None:
    """Give copies that learn by themselves the mean of their weights and moments. Local SGD: Stich 2019, arXiv 1805.09767."""
    if world.section.sync_every == 1:
        return
    moments = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor) and value.ndim]
    for tensor in [*network.parameters(), *moments]:
        tensor.copy_(world.sum(tensor) / world.readers)
