"""The transformer: a thin wrapper over a Hugging Face sequence classifier.

Shape letters: B batch, S sequence, D width, C classes.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification, PreTrainedModel
from transformers.models.bert import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from smelt.errors import BundleFault
from smelt.language import say
from smelt.models.folder import DECODERS
from smelt.models.network import Network, check_finite
from smelt.tasks.padding import pad
from smelt.tasks.windows import Pool, Windows, split_windows
from smelt.types import Arrays

Kind = type[AutoModelForSequenceClassification] | type[AutoModelForMaskedLM] | type[AutoModelForCausalLM]


@dataclass(frozen=True, kw_only=True)
class TransformerSizes:
    """Sizes of a transformer from scratch."""

    vocabulary: int
    layers: int
    dim: int
    heads: int
    feed_forward: int
    dropout: float
    max_tokens: int
    classes: int


class HuggingFaceNetwork(Network):
    """A model of the library that stays what it is, and is saved as its own kind of folder."""

    family = "transformer"

    def __init__(self, hugging_face: PreTrainedModel) -> None:
        """Wrap a model that is built."""
        super().__init__()
        self.hugging_face = hugging_face

    def words(self, mask_BS: Tensor) -> dict[str, Tensor]:
        """Return what the library's module is told beside the tokens: who sees whom."""
        return {"attention_mask": mask_BS}

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  torch's own signature
        """Switch between training and answering. On a CPU plain attention trains faster than the fused kernel, which answers faster."""
        if self.hugging_face._supports_sdpa:
            wanted = "eager" if mode and next(self.parameters()).device.type == "cpu" else "sdpa"
            if self.hugging_face.config._attn_implementation != wanted:
                self.hugging_face.set_attn_implementation(wanted)
        return super().train(mode)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the layers."""
        return list(layers_of(self.hugging_face))

    def token_tables(self) -> list[nn.Embedding]:
        """Return the word embeddings; positions and segments are no tokens."""
        return [self.embedding]

    def save(self, folder: Path) -> None:
        """Write a folder that the library's `from_pretrained` loads."""
        self.hugging_face.save_pretrained(folder)

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(layers_of(self.hugging_face))

    @property
    def embedding(self) -> nn.Embedding:
        """Word embeddings."""
        embedding = self.hugging_face.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)
        return embedding


class TransformerNetwork(HuggingFaceNetwork):
    """Any `AutoModelForSequenceClassification`."""

    def __init__(self, hugging_face: PreTrainedModel, windows: Windows | None = None) -> None:
        """Wrap a model that is built; with `windows` it reads documents longer than a window piece by piece."""
        super().__init__(hugging_face)
        self.windows = windows

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        if self.windows is None or ids_BS.shape[1] <= self.windows.tokens:
            return self.hugging_face(input_ids=ids_BS, attention_mask=mask_BS).logits
        ids_WS, mask_WS, counts_B = self._cut(ids_BS, mask_BS, self.windows)
        return _pooled(self.hugging_face(input_ids=ids_WS, attention_mask=mask_WS).logits, counts_B, self.windows.pool)

    def with_states(self, ids_BS: Tensor, mask_BS: Tensor, *, attention: bool = False) -> "States":
        """Return the scores, and what the layers made of the tokens: of documents, or of the windows that they are read by.

        Args:
            ids_BS: tokens.
            mask_BS: 1 for tokens.
            attention: return what each token attends to as well; the fused kernel does not tell.
        """
        if attention and self.hugging_face.config._attn_implementation != "eager":
            self.hugging_face.set_attn_implementation("eager")
        counts_B = None
        if self.windows and ids_BS.shape[1] > self.windows.tokens:
            ids_BS, mask_BS, counts_B = self._cut(ids_BS, mask_BS, self.windows)
        output = self.hugging_face(input_ids=ids_BS, attention_mask=mask_BS, output_hidden_states=True, output_attentions=attention)
        scores_BC = output.logits if counts_B is None or not self.windows else _pooled(output.logits, counts_B, self.windows.pool)
        return States(scores_BC=scores_BC, states=output.hidden_states, attention=output.attentions or (), mask_BS=mask_BS)

    @staticmethod
    def _cut(ids_BS: Tensor, mask_BS: Tensor, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        lengths = mask_BS.sum(1).cpu().numpy()
        arrays = Arrays(ids=ids_BS[mask_BS.bool()].cpu().numpy().astype(np.int32), offsets=np.concatenate([[0], np.cumsum(lengths)]))
        pieces, counts = split_windows(arrays, windows)
        ids, mask = pad(pieces)
        return tuple(torch.from_numpy(array).to(ids_BS.device) for array in (ids, mask, counts))  # pyright: ignore[reportReturnType]

    def head(self) -> list[nn.Parameter]:
        """Return the classifier's parameters, and a pooler's, which many pretrained encoders lack."""
        prefix = self.hugging_face.base_model_prefix
        return [parameter for name, parameter in self.hugging_face.named_parameters() if not _is_pretrained(name, prefix)]

    def keep_tokens(self, kept_U: Tensor) -> None:
        """Throw out the rows of all other tokens, in place."""
        super().keep_tokens(kept_U)
        self.hugging_face.config.vocab_size = len(kept_U)

    def with_layers(self, kept: Sequence[int]) -> "TransformerNetwork":
        """Return a copy that has only the named layers, numbered from 0."""
        smaller = copy.deepcopy(self.hugging_face)
        layers = layers_of(smaller)
        chosen = [layers[number] for number in kept]
        for _ in range(len(layers)):
            del layers[0]
        layers.extend(chosen)
        smaller.config.num_hidden_layers = len(chosen)
        return TransformerNetwork(smaller, self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """What a forward pass leaves behind."""

    scores_BC: Tensor
    states: tuple[Tensor, ...]
    """After the embeddings and after each layer, each of shape (B, S, D)."""
    attention: tuple[Tensor, ...]
    """Of each layer, shape (B, heads, S, S); empty unless asked for."""
    mask_BS: Tensor
    """1 for tokens of the states."""


def _pooled(scores_WC: Tensor, counts_B: Tensor, pool: Pool) -> Tensor:
    """Return each document's scores from those of its windows, shape (B, C); as `tasks.windows.pool_scores` does."""
    owners_W = torch.repeat_interleave(torch.arange(len(counts_B), device=scores_WC.device), counts_B)
    whole_BC = scores_WC.new_zeros(len(counts_B), scores_WC.shape[1])
    if pool == "max":
        return whole_BC.scatter_reduce(0, owners_W.unsqueeze(1).expand_as(scores_WC), scores_WC, "amax", include_self=False)
    return whole_BC.index_add(0, owners_W, scores_WC) / counts_B.unsqueeze(1)


def layers_of(model: nn.Module) -> nn.ModuleList:
    """Find the model's list of layers: the longest list of modules of one class."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len({type(child) for child in module}) == 1]
    return max(lists, key=len)


def from_folder(folder: Path, *, classes: int | None) -> TransformerNetwork:
    """Load weights from a folder that was already checked (`smelt.models.folder`).

    Args:
        folder: with `config.json` and safetensors.
        classes: size of a new head; None keeps the head that is there.

    Raises:
        BundleFault: the weights do not fit the configuration, are not finite, or lack a part that is not the new head.
    """
    # Noise on attention costs a third to a half of a step on a CPU; newer encoders are pretrained without it.
    settings = {} if classes is None else {"num_labels": classes, "attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0}
    model, found = open_hugging_face(AutoModelForSequenceClassification, folder, settings, decoder=False, resize=classes is not None)
    new = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    missing = sorted(name for name in new if classes is None or _is_pretrained(name, model.base_model_prefix))
    if missing:
        raise BundleFault(
            say("{folder}: the weights lack {names}, or have them in another size", folder=folder, names=", ".join(missing[:3]))
        )
    check_finite(model, folder)
    return TransformerNetwork(model)


def open_hugging_face(
    kind: Kind, folder: Path, settings: Mapping[str, object], *, decoder: bool, resize: bool = False
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Let the library load a folder that was already checked: safetensors only, nothing of the folder's own code.

    Args:
        kind: one of the library's `AutoModelFor…`.
        folder: with `config.json` and safetensors.
        settings: what the configuration shall say instead.
        decoder: whether it has to be a model that guesses the next token, or may not be one.
        resize: take weights whose size differs as missing.

    Returns:
        The model, and which of its weights the folder lacks.

    Raises:
        BundleFault: the folder is of the other sort, or cannot be loaded.
    """
    # The library's progress bar and its report on the new head are not for our users.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **settings)
        if (config.model_type in DECODERS) != decoder:
            raise ValueError(say("model_type '{found}' is not for this task", found=config.model_type))
        return kind.from_pretrained(  # pyright: ignore[reportReturnType]  a pair, as output_loading_info asks
            folder, config=config, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype="float32",
            ignore_mismatched_sizes=resize, output_loading_info=True,
        )  # fmt: skip
    except Exception as error:  # the library raises errors of many kinds, and all of them are about this folder
        raise BundleFault(say("{folder}: cannot be loaded: {reason}", folder=folder, reason=str(error)[:200])) from error


def _is_pretrained(name: str, prefix: str) -> bool:
    """Say whether a tensor has to be in a pretrained model: all below the head have to but BERT's pooler, which some lack."""
    return name.startswith(f"{prefix}.") and ".pooler." not in name


def from_sizes(sizes: TransformerSizes) -> TransformerNetwork:
    """Build a BERT of the given sizes with random weights."""
    config = BertConfig(
        vocab_size=sizes.vocabulary,
        num_hidden_layers=sizes.layers,
        hidden_size=sizes.dim,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=sizes.max_tokens,
    )
    config.num_labels = sizes.classes
    return TransformerNetwork(BertForSequenceClassification(config))
