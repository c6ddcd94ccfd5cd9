"""Transformers with fewer heads, narrower feed-forward layers and a narrower state than their architecture has: cut, saved, opened.

Where the parts of a layer are is plain data, one line per family of architectures. The library's own modules run on, with smaller
matrices; their forward passes ask the matrices, not the configuration, how many heads there are.

Shape letters: D width of the state, H heads, E width of a head, F feed-forward columns.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.network import CONFIG, WEIGHTS, read_weights
from smelt.models.transformer import TransformerNetwork, layers_of

FAMILY = "sliced"
_LOW, _HIGH = 1, 65_536


@dataclass(frozen=True, slots=True)
class Parts:
    """Names of a layer's matrices."""

    query: str
    key: str
    value: str
    output: str
    up: str
    down: str


_BERT = Parts(
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"
)
_PARTS = {
    **dict.fromkeys(("bert", "roberta", "camembert", "xlm-roberta", "electra"), _BERT),
    "distilbert": Parts("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2"),
}


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
    return isinstance(network, TransformerNetwork) and network.hugging_face.config.model_type in _PARTS


def parts_of(network: TransformerNetwork) -> Parts:
    """Return the names of its layers' matrices.

    Raises:
        UsageFault: the architecture is none of those that are known.
    """
    architecture = network.hugging_face.config.model_type
    if architecture not in _PARTS:
        raise UsageFault(
            say("a model of type {architecture} cannot be made narrower", architecture=architecture),
            step=say("Known are {known}.", known=", ".join(sorted(_PARTS))),
        )
    return _PARTS[architecture]


def head_width(network: TransformerNetwork) -> int:
    """Return E. Cutting never changes it."""
    attention = layers_of(network.hugging_face)[0].get_submodule(parts_of(network).query.rpartition(".")[0])
    return int(attention.attention_head_size)  # pyright: ignore[reportArgumentType]  a number on every family above


def widths_of(network: TransformerNetwork) -> Widths:
    """Return what the network's matrices measure."""
    parts, layers, width = parts_of(network), layers_of(network.hugging_face), head_width(network)
    return Widths(
        dim=network.embedding.embedding_dim,
        heads=tuple(linear_of(layer, parts.query).out_features // width for layer in layers),
        columns=tuple(linear_of(layer, parts.up).out_features for layer in layers),
    )


def keep_heads(network: TransformerNetwork, layer: int, heads: Sequence[int]) -> None:
    """Cut a layer's attention down to the given heads, in place."""
    parts, width = parts_of(network), head_width(network)
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
    inner = {id(linear_of(layer, name)) for layer in layers_of(network.hugging_face) for name in astuple(parts)}
    for layer in layers_of(network.hugging_face):
        for name in (parts.query, parts.key, parts.value, parts.up):
            _keep(linear_of(layer, name), columns=kept)
        for name in (parts.output, parts.down):
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


def linear_of(layer: nn.Module, name: str) -> nn.Linear:
    """Return one of a layer's matrices."""
    module = layer.get_submodule(name)
    assert isinstance(module, nn.Linear)
    return module


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
