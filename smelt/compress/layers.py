"""Which layers of the reference a shallower student keeps: leave out one after the other, each time the one that is missed least."""

import torch

from smelt.compress.distill import soft_cross_entropy
from smelt.models.transformer import TransformerNetwork
from smelt.tasks.padding import pad
from smelt.train.rows import Rows

_BATCH = 32
_TEMPERATURE = 2.0


def greedy_layers(reference: TransformerNetwork, rows: Rows, kept: int) -> list[int]:
    """Return the numbers of the layers that stay, rising. Nothing is trained in between.

    Args:
        reference: on the CPU; not changed.
        rows: documents to judge by; dev, or some of it.
        kept: how many stay.

    Source: greedy layer pruning, Peer et al. 2021, arXiv 2105.14839.
    """
    reference.eval()
    batches = [pad(rows.take(range(start, min(start + _BATCH, len(rows))))) for start in range(0, len(rows), _BATCH)]
    tensors = [(torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in batches]
    with torch.inference_mode():
        answers = [reference(ids, mask) for ids, mask in tensors]
        stay = list(range(reference.depth))
        while len(stay) > kept:
            losses = {out: _loss(reference, [layer for layer in stay if layer != out], tensors, answers) for out in stay}
            stay.remove(min(losses, key=lambda layer: losses[layer]))
    return stay


def _loss(reference: TransformerNetwork, layers: list[int], tensors: list, answers: list) -> float:
    smaller = reference.with_layers(layers).eval()
    return sum(
        float(soft_cross_entropy(smaller(ids, mask), goal, _TEMPERATURE)) * len(goal)
        for (ids, mask), goal in zip(tensors, answers, strict=True)
    )
