"""Where the matrices of a transformer's layers are: plain data, one line per family of architectures.

Pruning cuts them, tensor parallelism splits them; the library's own modules run on, for their forward passes ask the matrices, not
the configuration, how many heads there are.

Shape letters: D width of the state, H heads, E width of a head, F feed-forward columns.
"""

from dataclasses import dataclass

from torch import nn

from smelt.models.transformer import HuggingFaceNetwork, layers_of


@dataclass(frozen=True, slots=True)
class Parts:
    """Names of a layer's matrices."""

    query: str
    """(H·E, D), as `key` and `value`: rows belong to heads."""
    key: str
    value: str
    output: str
    """(D, H·E): columns belong to heads."""
    up: str
    """(F, D)."""
    down: str
    """(D, F)."""
    gate: str | None = None
    """(F, D), where what goes up is gated."""
    norms: tuple[str, ...] = ()
    """What works on each token by itself, between the matrices."""
    readers: tuple[str, ...] = ()
    """The modules in which `query`, `key`, `value`, `up` and `gate` read the state, one for attention, one for the feed-forward part."""

    @property
    def by_row(self) -> tuple[str, ...]:
        """Matrices whose rows belong to heads or feed-forward columns."""
        return (self.query, self.key, self.value, self.up, *([self.gate] if self.gate else []))

    @property
    def by_column(self) -> tuple[str, ...]:
        """Matrices whose columns do."""
        return (self.output, self.down)


_BERT = Parts(
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense",
    norms=("attention.output.LayerNorm", "output.LayerNorm"), readers=("attention.self", "intermediate"),
)  # fmt: skip
_LLAMA = Parts(
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj", "mlp.gate_proj",
    norms=("input_layernorm", "post_attention_layernorm"), readers=("self_attn", "mlp"),
)  # fmt: skip
_PARTS = {
    **dict.fromkeys(("bert", "roberta", "camembert", "xlm-roberta", "electra"), _BERT),
    # Not qwen3: it has norms within heads, whose gradients would be those of some heads only.
    **dict.fromkeys(("llama", "mistral", "qwen2"), _LLAMA),
    "gpt2": Parts("attn.c_attn.query", "attn.c_attn.key", "attn.c_attn.value", "attn.c_proj", "mlp.c_fc", "mlp.c_proj",
                  norms=("ln_1", "ln_2"), readers=("attn", "mlp")),
    "distilbert": Parts("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2",
                        norms=("sa_layer_norm", "output_layer_norm"), readers=("attention", "ffn")),
}  # fmt: skip
KNOWN = tuple(sorted(_PARTS))
"""Architectures by the name that their configuration has."""


def find_parts(network: nn.Module) -> Parts | None:
    """Return the names of its layers' matrices; None where they are not known."""
    return _PARTS.get(network.hugging_face.config.model_type) if isinstance(network, HuggingFaceNetwork) else None


def linear_of(layer: nn.Module, name: str) -> nn.Linear:
    """Return one of a layer's matrices."""
    module = layer.get_submodule(name)
    assert isinstance(module, nn.Linear)
    return module


def head_width(network: HuggingFaceNetwork, parts: Parts) -> int:
    """Return E. Neither cutting nor splitting changes it."""
    return next(
        int(getattr(module, name))
        for module in layers_of(network.hugging_face)[0].modules()
        for name in ("attention_head_size", "head_dim")
        if hasattr(module, name)
    )
