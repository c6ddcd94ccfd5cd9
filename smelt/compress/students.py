"""Smaller networks that start from what the reference knows: its layers or its word embeddings."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.network import Network
from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.models.slices import SlicedNetwork, parts_of
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Cnn, Depth, Linear, NetworkStudent, Rnn, Static, Student, Width
from smelt.train.optimize import pretrained_rate
from smelt.train.rows import Rows

_LEAST = 2
"""Times that a pair has to occur."""


def names_of(sections: Sequence[Student]) -> list[str]:
    """Return the students' names, which are also their folders; the second of two equal ones ends in `-2`."""
    names = [name_of(section) for section in sections]
    counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [name if count == 1 else f"{name}-{count}" for name, count in zip(names, counts, strict=True)]


def name_of(section: Student) -> str:
    """Return what a student of this kind is called."""
    match section:
        case Depth():
            return f"depth{section.layers}"
        case Width():
            return f"width{round(100 * section.cost)}" + ("" if section.layers == "all" else f"-depth{section.layers}")
        case Rnn():
            return section.cell
        case Static() | Cnn() | Linear():
            return section.kind
        case _:
            assert_never(section)


def steps_of(section: Student, reference: Network) -> list[str]:
    """Return what is done to the reference to get the student, in words."""
    match section:
        case Depth():
            whole = reference.depth if isinstance(reference, TransformerNetwork) else section.layers
            return [f"depth: {section.layers} of {whole} layers", "distill: logits"]
        case Width():
            whole = reference.depth if isinstance(reference, TransformerNetwork) else 0
            layers = [] if section.layers == "all" else [f"depth: {section.layers} of {whole} layers"]
            return [*layers, f"width: heads and columns cut to {section.cost:.0%} of the cost", "distill: logits"]
        case Static():
            pairs = f", {section.pairs} pairs" if section.pairs else ""
            places = f", {section.positions} places" if section.positions else ""
            return [f"static: embeddings of the reference, hidden {section.hidden}{pairs}{places}", "distill: logits"]
        case Cnn():
            return [f"cnn: {section.filters} filters of widths {', '.join(map(str, section.kernels))}", "distill: logits"]
        case Linear():
            return [say("TF-IDF and a linear classifier")]
        case Rnn():
            return [f"{section.cell}: hidden {section.hidden}, both directions", "distill: logits"]
        case _:
            assert_never(section)


def auto_students(reference: Network) -> list[Student]:
    """Return the students of `auto`, cheapest promising first."""
    depth = reference.depth if isinstance(reference, TransformerNetwork) else 0
    shallower: list[Student] = [Depth(layers=layers) for layers in dict.fromkeys((depth // 2, depth // 3)) if layers]
    return [Linear(), Static(), *shallower, Cnn()]


def build_student(
    section: Depth | Static | Cnn | Rnn, reference: Network, classes: int, seed: int,
    *, layers: Sequence[int] | None = None, rows: Rows | None = None,
) -> Network:  # fmt: skip
    """Build a student before its training.

    Args:
        section: which kind, how large.
        reference: a trained network; it is not changed.
        classes: of the task.
        seed: of what is random in it.
        layers: those that a shallower copy keeps; None spreads them evenly.
        rows: train, whose frequent pairs a static student may know.

    Raises:
        UsageFault: the reference has fewer layers than the student shall keep, or none.
    """
    torch.manual_seed(seed)
    if isinstance(section, Depth):
        return shallower(section.layers, reference, layers)
    embedding = embedding_of(reference)
    vocabulary, dim = embedding.num_embeddings, embedding.embedding_dim
    match section:
        case Static():
            student = _static(section, embedding, classes, rows)
        case Cnn():
            sizes = CnnSizes(vocabulary=vocabulary, dim=dim, classes=classes, filters=section.filters, kernels=section.kernels)
            student = CnnNetwork(sizes)
        case Rnn():
            student = RnnNetwork(RnnSizes(vocabulary=vocabulary, dim=dim, classes=classes, cell=section.cell, hidden=section.hidden))
        case _:
            assert_never(section)
    with torch.no_grad():
        student.embedding.weight.copy_(embedding.weight)
    return student


def _static(section: Static, embedding: nn.Embedding, classes: int, rows: Rows | None) -> StaticNetwork:
    """Build a static student; it begins with the reference's embeddings, and so do its pairs."""
    found_P2 = frequent_pairs(rows, section.pairs) if rows is not None and section.pairs else np.zeros((0, 2), np.int64)
    vocabulary, dim = embedding.num_embeddings, embedding.embedding_dim
    sizes = StaticSizes(
        vocabulary=vocabulary, dim=dim, classes=classes, hidden=section.hidden, pairs=len(found_P2), positions=section.positions
    )
    student = StaticNetwork(sizes)
    with torch.no_grad():
        student.embedding.weight.copy_(embedding.weight)
    if len(found_P2):
        student.teach_pairs(torch.from_numpy(found_P2))
    return student


def frequent_pairs(rows: Rows, most: int) -> NDArray[np.int64]:
    """Return the most frequent pairs of neighboring tokens that occur twice or more, rising. Shape (P, 2)."""
    ids, offsets = np.asarray(rows.arrays.ids, np.int64), rows.arrays.offsets
    inside = np.ones(len(ids), bool)
    inside[offsets[1:-1][offsets[1:-1] < len(ids)]] = False
    keys, counts = np.unique(ids[:-1][inside[1:]] << 32 | ids[1:][inside[1:]], return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:most]
    chosen = np.sort(keys[frequent[counts[frequent] >= _LEAST]])
    return np.stack([chosen >> 32, chosen & 0xFFFFFFFF], axis=1)


def shallower(wanted: int, reference: Network, layers: Sequence[int] | None = None) -> TransformerNetwork:
    """Copy the reference with some of its layers, evenly spread unless they are named; the embeddings stay as they are."""
    depth = reference.depth if isinstance(reference, TransformerNetwork) else 0
    if wanted > depth or not isinstance(reference, TransformerNetwork):
        raise UsageFault(
            say(
                "compress.students: depth {layers} wants a reference of more layers; this one has {depth}",
                layers=wanted,
                depth=depth,
            ),
            step=say("Take fewer layers, or a student of kind static, cnn or rnn."),
        )
    student = reference.with_layers(layers or evenly(wanted, depth))
    student.embedding.weight.requires_grad = False
    return student


def sliced_copy(section: Width, reference: Network) -> SlicedNetwork:
    """Copy the reference, or some of its layers, as a network that can be cut.

    Raises:
        UsageFault: its architecture cannot be cut, or it has fewer layers.
    """
    depth = reference.depth if isinstance(reference, TransformerNetwork) else 1
    copied = shallower(depth if section.layers == "all" else section.layers, reference)
    network = SlicedNetwork(copied.hugging_face, copied.windows)
    parts_of(network)
    return network


def evenly(kept: int, depth: int) -> Sequence[int]:
    """Return layer numbers from first to last, evenly spread; the last one only if one is kept."""
    if kept == 1:
        return [depth - 1]
    return [round(place * (depth - 1) / (kept - 1)) for place in range(kept)]


def embedding_of(reference: Network) -> nn.Embedding:
    """Return the reference's token embeddings: every family has one."""
    found = getattr(reference, "embedding", None)
    assert isinstance(found, nn.Embedding)
    return found


def learning_rate_of(network: Network) -> float:
    """Return the peak learning rate of a student's AdamW: a copy of the reference learns as a pretrained encoder does."""
    return pretrained_rate(network) if isinstance(network, TransformerNetwork) else 2e-3


def epochs_of(section: NetworkStudent) -> int:
    """Return the most epochs that `auto` takes."""
    return 8 if isinstance(section, Depth | Width) else 12
