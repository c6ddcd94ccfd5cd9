"""Between split matrices states are split by token: norms and sums work on a share of them. Korthikanti et al. 2022, arXiv 2205.05198.

Shape letters: B batch, S sequence, D width.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import SequenceParallel, parallelize_module

from smelt.models.parts import Parts

BY_TOKEN = Shard(1)
"""How states (B, S, D) lie between the matrices. S is a multiple of the processes: see `pad_tokens`."""


def split_states(layers: Sequence[nn.Module], mesh: DeviceMesh, parts: Parts) -> None:
    """Let the states of consecutive layers be split by token from the first one's beginning to the last one's end, in place.

    Args:
        layers: those of a network, or of one stage of a pipeline; their matrices put out what lies `BY_TOKEN`.
        mesh: the processes that share the matrices.
        parts: names the norms, and the modules whose matrices need all tokens.
    """
    for layer in layers:
        parallelize_module(layer, mesh, dict.fromkeys(parts.norms, SequenceParallel(use_local_output=True)))
        for name in parts.readers:
            layer.get_submodule(name).register_forward_pre_hook(
                lambda _, given, named: _with_first(given, named, lambda own: _whole(own, mesh)), with_kwargs=True
            )
    layers[0].register_forward_pre_hook(
        lambda _, given, named: _with_first(given, named, lambda full: _share(full, mesh)), with_kwargs=True
    )
    layers[-1].register_forward_hook(lambda _module, _given, states: _whole(states, mesh).to_local())


def pad_tokens(network: nn.Module, processes: int) -> None:
    """Let a network pad what it gets, all of shape (B, S), so that so many processes have equal shares of the tokens."""

    def padded(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(nn.functional.pad(one, (0, -one.shape[1] % processes)) for one in given)

    network.register_forward_pre_hook(padded)


def _share(full_BSD: Tensor, mesh: DeviceMesh) -> Tensor:
    return DTensor.from_local(full_BSD, mesh, [Replicate()], run_check=False).redistribute(placements=[BY_TOKEN]).to_local()


def _whole(own_BSD: Tensor, mesh: DeviceMesh) -> DTensor:
    """Return the states of all tokens; their gradients, summed over the processes, go back to where the tokens are."""
    return DTensor.from_local(own_BSD, mesh, [BY_TOKEN], run_check=False).redistribute(placements=[Replicate()])


def _with_first(given: tuple, named: dict[str, Any], change: Callable[[Tensor], Tensor]) -> tuple[tuple, dict[str, Any]]:
    """Change the states among what a layer or a module in it gets: its first argument, or the one that the library calls so."""
    if given:
        return (change(given[0]), *given[1:]), named
    return given, named | {"hidden_states": change(named["hidden_states"])}
