"""Models that guess tokens: encoders with a head for covered tokens, decoders with one for the next.

Shape letters: B batch, S sequence, D width, V vocabulary, K tokens that are asked for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel
from transformers.models.bert import BertConfig, BertForMaskedLM
from transformers.models.gpt2 import GPT2Config, GPT2LMHeadModel
from transformers.models.llama import LlamaConfig, LlamaForCausalLM

from smelt.errors import BundleFault
from smelt.language import say
from smelt.models.folder import DECODERS
from smelt.models.gpt2 import put_together, take_apart
from smelt.models.network import check_finite
from smelt.models.transformer import HuggingFaceNetwork, open_hugging_face

_HEADS = {
    **dict.fromkeys(("bert",), "cls"),
    **dict.fromkeys(("roberta", "camembert", "xlm-roberta", *DECODERS), "lm_head"),
}
"""Which module makes scores of the last states, where it is one. Elsewhere all tokens are scored, and those asked for taken."""
_OFFSET = ("roberta", "camembert", "xlm-roberta")
"""Architectures whose positions begin behind the number of their padding token."""
_NOISE = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
"""Noise on attention, by the names that configurations have for it: it costs more than it is worth."""
PACKED = frozenset({"bert", "electra", *_OFFSET, *DECODERS})
"""Architectures that take positions and who sees whom from outside, so that a row may hold several documents."""


class LanguageNetwork(HuggingFaceNetwork):
    """An `AutoModelForMaskedLM` or `AutoModelForCausalLM`. Rows may hold several documents, which do not see each other."""

    def __init__(self, hugging_face: PreTrainedModel) -> None:
        """Wrap a model that is built."""
        super().__init__(hugging_face)
        self.kind = hugging_face.config.model_type
        self.causal = self.kind in DECODERS
        if isinstance(hugging_face, GPT2LMHeadModel):
            take_apart(hugging_face)
        if self.causal:
            hugging_face.config.use_cache = False

    def forward(self, ids_BS: Tensor, mask_BS: Tensor, asked_BS: Tensor | None = None) -> Tensor:
        """Return the scores of all tokens, shape (B, S, V), or of those asked for, in order, shape (K, V).

        Args:
            ids_BS: tokens.
            mask_BS: which document of its row a token is of, from 1; 0 for padding.
            asked_BS: True where a score is wanted.
        """
        if asked_BS is None or self.kind not in _HEADS:
            scores_BSV = self.hugging_face(input_ids=ids_BS, **self.words(mask_BS)).logits
            return scores_BSV if asked_BS is None else scores_BSV[asked_BS]
        base = getattr(self.hugging_face, self.hugging_face.base_model_prefix)
        states_BSD = base(input_ids=ids_BS, **self.words(mask_BS)).last_hidden_state
        return getattr(self.hugging_face, _HEADS[self.kind])(states_BSD[asked_BS])

    def save(self, folder: Path) -> None:
        """Write a folder that the library's `from_pretrained` loads."""
        if isinstance(self.hugging_face, GPT2LMHeadModel):
            self.hugging_face.save_pretrained(folder, state_dict=put_together(self.hugging_face))  # pyright: ignore[reportArgumentType]  it is copied
        else:
            super().save(folder)

    def words(self, mask_BS: Tensor) -> dict[str, Tensor]:
        """Return positions that begin anew with each document, and who sees whom: tokens of one document, a decoder's no later ones."""
        if self.kind not in PACKED:
            return {"attention_mask": (mask_BS > 0).long()}
        length = mask_BS.shape[1]
        places_S = torch.arange(length, device=mask_BS.device)
        begins_BS = torch.cat([torch.ones_like(mask_BS[:, :1], dtype=torch.bool), mask_BS[:, 1:] != mask_BS[:, :-1]], 1)
        positions_BS = places_S - torch.where(begins_BS, places_S, 0).cummax(1).values
        if self.kind in _OFFSET:
            positions_BS = positions_BS + self.hugging_face.config.pad_token_id + 1
        seen_BSS = mask_BS[:, :, None] == mask_BS[:, None, :]
        if self.causal:
            seen_BSS = seen_BSS & (places_S[:, None] >= places_S)
        lowest = torch.finfo(torch.float32).min
        return {"position_ids": positions_BS, "attention_mask": torch.where(seen_BSS, 0.0, lowest)[:, None]}


@dataclass(frozen=True, kw_only=True)
class LanguageSizes:
    """Sizes of a language model from scratch."""

    architecture: Literal["bert", "gpt2", "llama"]
    vocabulary: int
    layers: int
    dim: int
    heads: int
    kv_heads: int
    feed_forward: int
    dropout: float
    """A llama has none."""
    max_tokens: int
    start: int
    end: int
    """The tokens that frame a document."""


def from_sizes(sizes: LanguageSizes) -> LanguageNetwork:
    """Build a model with random weights."""
    vocabulary, dim, heads = sizes.vocabulary, sizes.dim, sizes.heads
    if sizes.architecture == "bert":
        config = BertConfig(
            vocab_size=vocabulary, num_hidden_layers=sizes.layers, hidden_size=dim, num_attention_heads=heads,
            intermediate_size=sizes.feed_forward, hidden_dropout_prob=sizes.dropout, attention_probs_dropout_prob=0.0,
            max_position_embeddings=sizes.max_tokens, bos_token_id=sizes.start, eos_token_id=sizes.end, pad_token_id=0,
        )  # fmt: skip
        return LanguageNetwork(BertForMaskedLM(config))
    if sizes.architecture == "gpt2":
        config = GPT2Config(
            vocab_size=vocabulary, n_layer=sizes.layers, n_embd=dim, n_head=heads, n_inner=sizes.feed_forward,
            n_positions=sizes.max_tokens, resid_pdrop=sizes.dropout, embd_pdrop=sizes.dropout, attn_pdrop=0.0,
            bos_token_id=sizes.start, eos_token_id=sizes.end, pad_token_id=0,
        )  # fmt: skip
        return LanguageNetwork(GPT2LMHeadModel(config))
    config = LlamaConfig(
        vocab_size=vocabulary, num_hidden_layers=sizes.layers, hidden_size=dim, num_attention_heads=heads,
        num_key_value_heads=sizes.kv_heads, intermediate_size=sizes.feed_forward, max_position_embeddings=sizes.max_tokens,
        bos_token_id=sizes.start, eos_token_id=sizes.end, pad_token_id=0,
    )  # fmt: skip
    return LanguageNetwork(LlamaForCausalLM(config))


def open_language(folder: Path, *, causal: bool) -> tuple[LanguageNetwork, bool]:
    """Load weights from a folder that was already checked (`smelt.models.folder`).

    Returns:
        The network, and whether its head came with it; an encoder that was made for something else gets a new one.

    Raises:
        BundleFault: the weights do not fit the configuration, are not finite, lack a part below the head, or are of the wrong sort.
    """
    kind = AutoModelForCausalLM if causal else AutoModelForMaskedLM
    model, found = open_hugging_face(kind, folder, dict.fromkeys(_NOISE, 0.0), decoder=causal)
    missing = sorted(name for name in found["missing_keys"] if name.startswith(f"{model.base_model_prefix}."))
    if missing or (causal and found["missing_keys"]):
        lacking = ", ".join([*missing, *sorted(found["missing_keys"])][:3])
        raise BundleFault(say("{folder}: the weights lack {names}, or have them in another size", folder=folder, names=lacking))
    check_finite(model, folder)
    return LanguageNetwork(model), not found["missing_keys"]
