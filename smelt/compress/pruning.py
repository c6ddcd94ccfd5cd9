"""Cut a transformer's heads and feed-forward columns: what matters least for what it costs goes first, until it is cheap enough.

What a group matters: the square of the loss's change without it, to first order, summed over batches (Molchanov et al. 2019, arXiv
1906.10771, equation 8). What it costs: measured on this machine, as ZipLM does (Kurtic et al. 2023, arXiv 2302.04089).

Shape letters: L layers, H heads, G groups of feed-forward columns, D width.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smelt.models.parts import head_width, linear_of
from smelt.models.slices import SlicedNetwork, Widths, keep_columns, keep_heads, parts_of, widths_of
from smelt.models.transformer import layers_of
from smelt.train.batch import Batch
from smelt.train.fit import Loss

GROUP = 32
"""Feed-forward columns that go together: matrix units work in such multiples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What parts of a network cost, in the unit that the recipe minimizes."""

    whole: float
    """With all heads and columns."""
    head: float
    column: float


@dataclass(frozen=True, slots=True)
class Importance:
    """What parts of a network matter; comparable among all of them."""

    heads: list[Tensor]
    """Of each layer, shape (H,)."""
    columns: list[Tensor]
    """Of each layer, shape (F,)."""
    dims: Tensor
    """Shape (D,)."""


def price(measure: Callable[[SlicedNetwork], float], network: SlicedNetwork) -> Prices:
    """Measure the network whole, with half its heads, and with half its columns; what a part costs is the difference shared out."""
    whole, widths = measure(network), widths_of(network)
    fewer, narrower = copy.deepcopy(network), copy.deepcopy(network)
    for layer in range(network.depth):
        keep_heads(fewer, layer, range(max(1, widths.heads[layer] // 2)))
        keep_columns(narrower, layer, range(max(1, widths.columns[layer] // 2)))
    gone_heads = sum(widths.heads) - sum(widths_of(fewer).heads)
    gone_columns = sum(widths.columns) - sum(widths_of(narrower).columns)
    tiny = whole * 1e-6
    return Prices(
        whole=whole,
        head=max(tiny, (whole - measure(fewer)) / max(1, gone_heads)),
        column=max(tiny / 100, (whole - measure(narrower)) / max(1, gone_columns)),
    )


def importance(network: SlicedNetwork, batches: Sequence[Batch], loss: Loss) -> Importance:
    """Sum over batches what each part matters."""
    parts, widths = parts_of(network), widths_of(network)
    width = head_width(network, parts)
    total = Importance([torch.zeros(heads) for heads in widths.heads], [torch.zeros(columns) for columns in widths.columns],
                       torch.zeros(widths.dim))  # fmt: skip
    network.eval()
    for batch in batches:
        network.zero_grad()
        loss(network, batch).backward()
        for number, layer in enumerate(layers_of(network.hugging_face)):
            output, down, up = (linear_of(layer, name) for name in (parts.output, parts.down, parts.up))
            total.heads[number] += _pull(output.weight).sum(0).reshape(-1, width).sum(1).square()
            total.columns[number] += (_pull(down.weight).sum(0) + _pull(up.weight).sum(1)).square()
            total.dims.add_((_pull(output.weight).sum(1) + _pull(down.weight).sum(1)).square())
    network.zero_grad()
    return total


def _pull(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.detach() * weight.grad


def choose_widths(found: Importance, widths: Widths, prices: Prices, goal: float) -> tuple[list[list[int]], list[list[int]]]:
    """Return the heads and the columns of each layer that stay, once whatever matters least per cost is gone and the goal is met.

    Args:
        found: importance of every part.
        widths: what there is now.
        prices: of a head and of a column.
        goal: cost to come down to. Each layer keeps a head and a group of columns, so it may stay out of reach.
    """
    groups = [_groups(layer) for layer in found.columns]
    parts = [
        (float(score) / prices.head, "head", layer, number) for layer, heads in enumerate(found.heads) for number, score in enumerate(heads)
    ]
    for layer, lists in enumerate(groups):
        parts += [
            (float(found.columns[layer][group].sum()) / (prices.column * len(group)), "group", layer, number)
            for number, group in enumerate(lists)
        ]
    heads = [set(range(count)) for count in widths.heads]
    columns = [set(range(len(lists))) for lists in groups]
    cost = prices.whole
    for _, kind, layer, number in sorted(parts):
        if cost <= goal:
            break
        left = heads[layer] if kind == "head" else columns[layer]
        if len(left) > 1:
            left.remove(number)
            cost -= prices.head if kind == "head" else prices.column * len(groups[layer][number])
    kept = [sorted(column for number in left for column in groups[layer][number]) for layer, left in enumerate(columns)]
    return [sorted(left) for left in heads], kept


def _groups(score_F: Tensor) -> list[list[int]]:
    """Put the columns that matter alike into groups, the least ones first."""
    order = score_F.argsort().tolist()
    return [order[start : start + GROUP] for start in range(0, len(order), GROUP)]


def cut(network: SlicedNetwork, heads: Sequence[Sequence[int]], columns: Sequence[Sequence[int]]) -> None:
    """Cut every layer, in place."""
    for layer in range(network.depth):
        keep_heads(network, layer, heads[layer])
        keep_columns(network, layer, columns[layer])


def choose_dims(found: Importance, share: float) -> list[int]:
    """Return the state's dimensions that matter most, a multiple of 16 of them; an empty list where all stay."""
    wanted = max(16, round(share * len(found.dims) / 16) * 16)
    return sorted(found.dims.topk(wanted).indices.tolist()) if wanted < len(found.dims) else []
