"""Transformers with fewer heads, narrower feed-forward layers and a narrower state than their architecture has: cut, saved, opened.

Shape letters: D width of the state, H heads, E width of a head, F feed-forward columns.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.network import CONFIG, WEIGHTS, read_weights
from smelt.models.parts import KNOWN, Parts, find_parts, head_width, linear_of
from smelt.models.transformer import TransformerNetwork, layers_of

FAMILY = "sliced"
_LOW, _HIGH = 1, 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """What is left of a transformer."""

    dim: int
    """Width of the state."""
    heads: tuple[int, ...]
    """Of each layer."""
    columns: tuple[int, ...]
    """Feed-forward columns of each layer."""


def can_slice(network: nn.Module) -> bool:
    """Say whether the parts of this network's layers are known."""
    return find_parts(network) is not None


def parts_of(network: TransformerNetwork) -> Parts:
    """Return the names of its layers' matrices.

    Raises:
        UsageFault: the architecture is none of those that are known.
    """
    if parts := find_parts(network):
        return parts
    raise UsageFault(
        say("a model of type {architecture} cannot be made narrower", architecture=network.hugging_face.config.model_type),
        step=say("Known are {known}.", known=", ".join(KNOWN)),
    )


def widths_of(network: TransformerNetwork) -> Widths:
    """Return what the network's matrices measure."""
    parts, layers = parts_of(network), layers_of(network.hugging_face)
    width = head_width(network, parts)
    return Widths(
        dim=network.embedding.embedding_dim,
        heads=tuple(linear_of(layer, parts.query).out_features // width for layer in layers),
        columns=tuple(linear_of(layer, parts.up).out_features for layer in layers),
    )


def keep_heads(network: TransformerNetwork, layer: int, heads: Sequence[int]) -> None:
    """Cut a layer's attention down to the given heads, in place."""
    parts = parts_of(network)
    width = head_width(network, parts)
    module = layers_of(network.hugging_face)[layer]
    kept = torch.cat([torch.arange(head * width, (head + 1) * width) for head in sorted(heads)])
    for name in (parts.query, parts.key, parts.value):
        _keep(linear_of(module, name), rows=kept)
    _keep(linear_of(module, parts.output), columns=kept)


def keep_columns(network: TransformerNetwork, layer: int, columns: Sequence[int]) -> None:
    """Cut a layer's feed-forward part down to the given columns, in place."""
    parts, module = parts_of(network), layers_of(network.hugging_face)[layer]
    kept = torch.tensor(sorted(columns))
    _keep(linear_of(module, parts.up), rows=kept)
    _keep(linear_of(module, parts.down), columns=kept)


def keep_dims(network: TransformerNetwork, dims: Sequence[int]) -> None:
    """Cut the state down to the given dimensions everywhere, in place: embeddings, norms, and each matrix on its side of the state."""
    kept, before = torch.tensor(sorted(dims)), network.embedding.embedding_dim
    parts = parts_of(network)
    inner = {id(linear_of(layer, name)) for layer in layers_of(network.hugging_face) for name in (*parts.by_row, *parts.by_column)}
    for layer in layers_of(network.hugging_face):
        for name in parts.by_row:
            _keep(linear_of(layer, name), columns=kept)
        for name in parts.by_column:
            _keep(linear_of(layer, name), rows=kept)
    for module in network.hugging_face.modules():
        if isinstance(module, nn.Embedding) and module.embedding_dim == before:
            module.weight = _cut(module.weight, 1, kept)
            module.embedding_dim = len(kept)
        elif isinstance(module, nn.LayerNorm) and module.normalized_shape == (before,):
            module.weight, module.bias = _cut(module.weight, 0, kept), _cut(module.bias, 0, kept)
            module.normalized_shape = (len(kept),)
        elif isinstance(module, nn.Linear) and id(module) not in inner:
            square = module.in_features == module.out_features == before
            _keep(module, rows=kept if square else None, columns=kept if module.in_features == before else None)


class SlicedNetwork(TransformerNetwork):
    """A transformer that was cut. It is saved in a folder of our own: the architecture's own loader knows no such sizes."""

    family = FAMILY

    def save(self, folder: Path) -> None:
        """Write weights, the configuration, and what is left of it."""
        widths = widths_of(self)
        sizes = {"dim": widths.dim, "heads": list(widths.heads), "columns": list(widths.columns)}
        save_file({name: tensor.contiguous() for name, tensor in self.hugging_face.state_dict().items()}, folder / WEIGHTS)
        architecture = json.loads(self.hugging_face.config.to_json_string(use_diff=False))
        facts = {"smelt_family": FAMILY, "sizes": sizes, "architecture": architecture}
        (folder / CONFIG).write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def with_layers(self, kept: Sequence[int]) -> "SlicedNetwork":
        """Return a copy that has only the named layers, numbered from 0."""
        smaller = super().with_layers(kept)
        return SlicedNetwork(smaller.hugging_face, self.windows)


def open_sliced(folder: Path, facts: dict) -> SlicedNetwork:
    """Open what `SlicedNetwork.save` wrote: build the architecture, cut it to size, fill it.

    Raises:
        ValueError: the sizes make no sense.
        BundleFault: the weights do not fit them.
    """
    architecture = facts["architecture"]
    config = AutoConfig.for_model(architecture["model_type"], **{key: value for key, value in architecture.items() if key != "model_type"})
    network = SlicedNetwork(AutoModelForSequenceClassification.from_config(config))
    sizes = facts["sizes"]
    numbers = [sizes["dim"], *sizes["heads"], *sizes["columns"]]
    if not all(isinstance(number, int) and _LOW <= number <= _HIGH for number in numbers):
        raise ValueError(say("sizes out of range"))
    whole = widths_of(network)
    if len(sizes["heads"]) != network.depth or len(sizes["columns"]) != network.depth:
        raise ValueError(say("sizes of {n} layers for {depth}", n=len(sizes["heads"]), depth=network.depth))
    for layer in range(network.depth):
        if sizes["heads"][layer] > whole.heads[layer] or sizes["columns"][layer] > whole.columns[layer] or sizes["dim"] > whole.dim:
            raise ValueError(say("sizes out of range"))
        keep_heads(network, layer, range(sizes["heads"][layer]))
        keep_columns(network, layer, range(sizes["columns"][layer]))
    keep_dims(network, range(sizes["dim"]))
    read_weights(network.hugging_face, folder)
    network.eval()
    return network


def _keep(linear: nn.Linear, *, rows: Tensor | None = None, columns: Tensor | None = None) -> None:
    if rows is not None:
        linear.weight = _cut(linear.weight, 0, rows)
        if linear.bias is not None:
            linear.bias = _cut(linear.bias, 0, rows)
        linear.out_features = len(rows)
    if columns is not None:
        linear.weight = _cut(linear.weight, 1, columns)
        linear.in_features = len(columns)


def _cut(tensor: Tensor, axis: int, kept: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().index_select(axis, kept).contiguous(), requires_grad=tensor.requires_grad)
