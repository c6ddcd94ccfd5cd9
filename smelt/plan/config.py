"""Sizes of a network out of its Hugging Face `config.json`. The file is somebody else's: nothing in it is believed unchecked.

What is counted: of a decoder the language model, head included (`AutoModelForCausalLM`); of an encoder what classifies a sequence
(`AutoModelForSequenceClassification`) without its last matrix onto the labels. A matrix that is tied counts once. A flag that the file
leaves out has the value that transformers 5 gives it; a size is never made up.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from smelt.errors import EnvironmentFault, UsageFault
from smelt.language import say
from smelt.plan.shape import Shape
from smelt.recipe.suggest import nearest

FILE = "config.json"
_MOST_BYTES = 5_000_000
_MOST = 10_000_000
"""Larger than any size of a network that was published."""
_Keys = tuple[str, ...]
"""Names of one value, as transformers takes them; the first that the file has counts."""
_Flag = bool | tuple[str, bool]
"""A fact of the family, or the key that says so with what holds where the file leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Where the files of a family keep what a `Shape` holds."""

    layers: _Keys = ("num_hidden_layers",)
    hidden: _Keys = ("hidden_size",)
    heads: _Keys = ("num_attention_heads",)
    ffn: _Keys = ("intermediate_size",)
    wide_ffn: bool = False
    """May the file leave out the feed-forward, which then is 4 times as wide as the rest?"""
    kv_heads: _Keys = ()
    head_width: _Keys = ()
    stated: _Keys = ()
    """Keys that must be there: transformers would put in a size of its own."""
    positions: _Keys = ()
    more_positions: int = 0
    embedding: _Keys = ()
    experts: _Keys = ()
    experts_per_token: _Keys = ()
    gated: bool = False
    causal: _Flag = True
    tied: _Flag = ("tie_word_embeddings", True)
    qkv_bias: _Flag = True
    output_bias: _Flag = True
    ffn_bias: _Flag = True
    norm_bias: _Flag = True
    norm_gain: _Flag = True
    head_norms: bool = False


_GQA, _WIDTH, _ATTENTION_BIAS = ("num_key_value_heads",), ("head_dim",), ("attention_bias", False)
_POSITIONS, _UNTIED = ("max_position_embeddings",), ("tie_word_embeddings", False)
_BERT = _Family(positions=_POSITIONS, causal=("is_decoder", False), tied=True)
_LLAMA = _Family(
    kv_heads=_GQA, head_width=_WIDTH, gated=True, tied=_UNTIED, qkv_bias=False, output_bias=False, ffn_bias=False, norm_bias=False
)
_QWEN3 = replace(_LLAMA, stated=_GQA + _WIDTH, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, head_norms=True)
_FAMILIES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": replace(_BERT, embedding=("embedding_size",), stated=("embedding_size",)),
    "distilbert": replace(
        _BERT,
        layers=("n_layers", "num_hidden_layers"),
        hidden=("dim", "hidden_size"),
        heads=("n_heads", "num_attention_heads"),
        ffn=("hidden_dim",),
        causal=False,
    ),
    "modernbert": _Family(
        gated=True,
        causal=False,
        tied=True,
        qkv_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        ffn_bias=("mlp_bias", False),
        norm_bias=("norm_bias", False),
    ),
    "gpt2": _Family(
        layers=("n_layer", "num_hidden_layers"),
        hidden=("n_embd", "hidden_size"),
        heads=("n_head", "num_attention_heads"),
        ffn=("n_inner",),
        wide_ffn=True,
        positions=("n_positions", "max_position_embeddings"),
    ),
    "gpt_neox": _Family(tied=_UNTIED, qkv_bias=("attention_bias", True), output_bias=("attention_bias", True)),
    "opt": _Family(
        ffn=("ffn_dim",),
        positions=_POSITIONS,
        more_positions=2,
        embedding=("word_embed_proj_dim",),
        qkv_bias=("enable_bias", True),
        output_bias=("enable_bias", True),
        ffn_bias=("enable_bias", True),
        norm_gain=("layer_norm_elementwise_affine", True),
    ),
    "bloom": _Family(
        layers=("n_layer", "num_hidden_layers"),
        hidden=("n_embed", "hidden_size"),
        heads=("n_head", "num_attention_heads"),
        ffn=(),
        wide_ffn=True,
    ),
    "llama": replace(_LLAMA, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, ffn_bias=("mlp_bias", False)),
    "mistral": replace(_LLAMA, stated=_GQA),
    "mixtral": replace(_LLAMA, stated=_GQA, experts=("num_local_experts", "num_experts"), experts_per_token=("num_experts_per_tok",)),
    "qwen2": replace(_LLAMA, stated=_GQA, qkv_bias=True),
    "qwen3": _QWEN3,
    "qwen3_moe": replace(
        _QWEN3,
        ffn=("moe_intermediate_size",),
        experts=("num_experts", "num_local_experts"),
        experts_per_token=("num_experts_per_tok",),
    ),
    "phi3": _LLAMA,
    "gemma": replace(
        _LLAMA, stated=_GQA + _WIDTH, tied=("tie_word_embeddings", True), qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS
    ),
}
_ONLY: dict[str, tuple[object, ...]] = {
    "add_cross_attention": (False, None),
    "decoder_sparse_step": (1, None),
    "mlp_only_layers": ([], None),
}
"""Keys that make blocks unlike each other or unlike a `Shape`, with what is accepted."""


def read_config(path: Path) -> Shape:
    """Read the sizes of a network.

    Args:
        path: a `config.json`, or a folder that holds one.

    Raises:
        UsageFault: no such file, over 5 MB, not JSON, or what `shape_of` refuses.
        EnvironmentFault: the file cannot be read.
    """
    found = load_config(path)
    return shape_of(found, str(path / FILE if path.is_dir() else path))


def load_config(path: Path) -> dict[str, object]:
    """Read what the file says, unchecked but for being one object of JSON. Path and faults: as `read_config`."""
    try:
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise UsageFault(
                say("{path}: no such file", path=path), step=say("Name a config.json of Hugging Face, or a folder that holds one.")
            )
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise EnvironmentFault(say("{path}: cannot be read ({reason})", path=path, reason=error.strerror)) from None
    if len(raw) > _MOST_BYTES:
        raise _fault(str(path), say("larger than {n} bytes", n=_MOST_BYTES))
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _fault(str(path), say("not JSON: {reason}", reason=error)) from None
    if not isinstance(found, dict):
        raise _fault(str(path), say("a JSON {type}, want an object", type=type(found).__name__))
    return found


def shape_of(config: Mapping[str, object], where: str) -> Shape:
    """Map a configuration of Hugging Face to sizes whose count of weights is exact.

    Args:
        config: what a `config.json` says.
        where: its path, for messages.

    Returns:
        A decoder with its head, or an encoder as a classifier without its last matrix onto the labels.

    Raises:
        UsageFault: the family is unknown, a size is missing or wrong, or the blocks are none that a `Shape` describes.
    """
    name = config.get("model_type")
    if not isinstance(name, str) or name not in _FAMILIES:
        raise _unknown(name, where)
    family, read = _FAMILIES[name], _Reader(config, where)
    read.only(_ONLY)
    for key in family.stated:
        read.need(key)
    layers, hidden, heads = read.size(family.layers), read.size(family.hidden), read.size(family.heads)
    rows = read.size(family.embedding, hidden)
    experts = read.size(family.experts) if family.experts else 0
    output_bias, ffn_bias = read.flag(family.output_bias), read.flag(family.ffn_bias)
    shape = Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=_kv_heads(family, read, heads),
        head_width=_head_width(family, read, hidden, heads),
        ffn=read.size(family.ffn, 4 * hidden if family.wide_ffn else None),
        vocab=read.size(("vocab_size",)),
        embedding_width=0 if rows == hidden else rows,
        gated=family.gated,
        causal=(causal := read.flag(family.causal)),
        head_share=1.0 if causal else 0.0,
        tied=read.flag(family.tied),
        positions=(read.size(family.positions) if family.positions else 0) + family.more_positions,
        norm_weights=(1 + read.flag(family.norm_bias)) * read.flag(family.norm_gain),
        bias=output_bias and ffn_bias,
        qkv_bias=read.flag(family.qkv_bias),
        experts=experts,
        experts_per_token=_experts_per_token(family, read, experts),
        head_norms=family.head_norms,
    )
    lone = hidden * (output_bias and not ffn_bias) + ((shape.matrices - 1) * shape.ffn + hidden) * (ffn_bias and not output_bias)
    return replace(shape, other_weights=_other_weights(name, shape, read) + layers * lone)


class _Reader:
    """Takes checked values out of a configuration."""

    def __init__(self, config: Mapping[str, object], where: str) -> None:
        self._config = config
        self._where = where

    def size(self, keys: _Keys, otherwise: int | None = None) -> int:
        """Return the first of `keys` that is there and not null; `otherwise` if none is."""
        key = next((key for key in keys if self._config.get(key) is not None), "")
        if not key and otherwise is not None:
            return otherwise
        wanted = say("a whole number from 1 to {most}", most=f"{_MOST:,}")
        if not key:
            raise self.fault(keys[0], say("missing, want {wanted}", wanted=wanted))
        value = self._config[key]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
            raise self.fault(key, say("got {found}, want {wanted}", found=_shown(value), wanted=wanted))
        return value

    def flag(self, flag: _Flag) -> bool:
        """Return what the family or the file says."""
        if isinstance(flag, bool):
            return flag
        value = self._config.get(*flag)
        if not isinstance(value, bool):
            raise self.fault(flag[0], say("got {found}, want {wanted}", found=_shown(value), wanted=say("true or false")))
        return value

    def need(self, key: str) -> None:
        """Refuse a file without `key`."""
        if key not in self._config:
            raise self.fault(key, say("missing, want {wanted}", wanted=say("a whole number from 1 to {most}", most=f"{_MOST:,}")))

    def only(self, accepted: Mapping[str, tuple[object, ...]]) -> None:
        """Refuse a file that says something else than `accepted` of its keys."""
        for key, values in accepted.items():
            if key in self._config and self._config[key] not in values:
                raise self.fault(key, say("got {found}, want {wanted}", found=_shown(self._config[key]), wanted=_shown(values[0])))

    def fault(self, key: str, message: str) -> UsageFault:
        return _fault(self._where, f"{key}: {message}")


def _kv_heads(family: _Family, read: _Reader, heads: int) -> int:
    kv_heads = read.size(family.kv_heads, heads)
    if heads % kv_heads:
        wanted = say("a divisor of {key}, {n}", key=family.heads[0], n=heads)
        raise read.fault(family.kv_heads[0], say("got {found}, want {wanted}", found=kv_heads, wanted=wanted))
    return kv_heads


def _head_width(family: _Family, read: _Reader, hidden: int, heads: int) -> int:
    """Return `hidden` over `heads` where the file states no width of its own."""
    width = read.size(family.head_width, 0)
    if not width and hidden % heads:
        wanted = say("a divisor of {key}, {n}", key=family.hidden[0], n=hidden)
        raise read.fault(family.heads[0], say("got {found}, want {wanted}", found=heads, wanted=wanted))
    return width or hidden // heads


def _experts_per_token(family: _Family, read: _Reader, experts: int) -> int:
    if not experts:
        return 0
    sent = read.size(family.experts_per_token)
    if sent > experts:
        wanted = say("at most {key}, {n}", key=family.experts[0], n=experts)
        raise read.fault(family.experts_per_token[0], say("got {found}, want {wanted}", found=sent, wanted=wanted))
    return sent


def _other_weights(name: str, shape: Shape, read: _Reader) -> int:
    """Count norms outside blocks, rows of segments, poolers and projections of the embedding."""
    hidden, rows, narrow = shape.hidden, shape.row_width, shape.row_width != shape.hidden
    norm, dense = shape.norm_weights * hidden, hidden * hidden + hidden
    match name:
        case "bert" | "roberta" | "xlm-roberta" | "camembert" | "electra":
            return (read.size(("type_vocab_size",)) + 2) * rows + (rows * hidden + hidden) * narrow + dense
        case "distilbert":
            return norm + dense
        case "modernbert":
            # Norms of the embedding, of the end and of the pooler, less that of the first attention, which has none.
            return 2 * norm + hidden * hidden + hidden * read.flag(("classifier_bias", False))
        case "opt":
            last = read.flag(("do_layer_norm_before", True)) and not read.flag(("_remove_final_layer_norm", False))
            # Tokens are narrow, positions are not.
            return norm * last + 2 * rows * hidden * narrow + shape.positions * (hidden - rows)
        case "bloom":
            return 2 * norm
        case _:
            return norm


def _unknown(found: object, where: str) -> UsageFault:
    known = ", ".join(_FAMILIES)
    if found is None:
        message = say("missing, want {wanted}", wanted=say("one of {known}", known=known))
    else:
        message = say("got {found}, want {wanted}", found=_shown(found), wanted=say("one of {known}", known=known))
    meant = nearest(found, _FAMILIES) if isinstance(found, str) else None
    hint = " " + say("Did you mean '{name}'?", name=meant) if meant else ""
    return UsageFault(f"{where}: model_type: {message}.{hint}", step=say("Give sizes by hand: {{layers, hidden, heads, ffn, vocab}}."))


def _fault(where: str, message: str) -> UsageFault:
    return UsageFault(f"{where}: {message}", step=say("Mend the file, or give sizes by hand: {{layers, hidden, heads, ffn, vocab}}."))


def _shown(value: object) -> str:
    """Show a value of the file on one line, without control characters."""
    try:
        text = json.dumps(value, default=repr)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
