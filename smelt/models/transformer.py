"""The transformer: a thin wrapper over a Hugging Face sequence classifier.

Shape letters: B batch, S sequence, D width, C classes.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.models.bert import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from smelt.errors import BundleFault
from smelt.language import say
from smelt.models.network import Network, check_finite


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


class TransformerNetwork(Network):
    """Any `AutoModelForSequenceClassification`, saved as its own kind of folder."""

    family = "transformer"

    def __init__(self, hugging_face: PreTrainedModel) -> None:
        """Wrap a model that is built."""
        super().__init__()
        self.hugging_face = hugging_face

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        return self.hugging_face(input_ids=ids_BS, attention_mask=mask_BS).logits

    def with_states(self, ids_BS: Tensor, mask_BS: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the scores and the states after the embeddings and after each layer, each of shape (B, S, D)."""
        output = self.hugging_face(input_ids=ids_BS, attention_mask=mask_BS, output_hidden_states=True)
        return output.logits, output.hidden_states

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoModelForSequenceClassification.from_pretrained` loads."""
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

    def with_layers(self, kept: Sequence[int]) -> "TransformerNetwork":
        """Return a copy that has only the named layers, numbered from 0."""
        smaller = copy.deepcopy(self.hugging_face)
        layers = layers_of(smaller)
        chosen = [layers[number] for number in kept]
        for _ in range(len(layers)):
            del layers[0]
        layers.extend(chosen)
        smaller.config.num_hidden_layers = len(chosen)
        return TransformerNetwork(smaller)


def layers_of(model: nn.Module) -> nn.ModuleList:
    """Find the encoder's list of layers: the longest list of modules of one class."""
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
    settings = {} if classes is None else {"num_labels": classes}
    # The library's progress bar and its report on the new head are not for our users.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **settings)
        model, found = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
            dtype="float32",
            ignore_mismatched_sizes=classes is not None,
            output_loading_info=True,
        )
    except Exception as error:  # whatever the library raises, it is about this folder
        raise BundleFault(say("{folder}: cannot be loaded: {reason}", folder=folder, reason=str(error)[:200])) from error
    new = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    missing = sorted(name for name in new if classes is None or _is_pretrained(name, model.base_model_prefix))
    if missing:
        raise BundleFault(
            say("{folder}: the weights lack {names}, or have them in another size", folder=folder, names=", ".join(missing[:3]))
        )
    check_finite(model, folder)
    return TransformerNetwork(model)


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
        attention_probs_dropout_prob=sizes.dropout,
        max_position_embeddings=sizes.max_tokens,
    )
    config.num_labels = sizes.classes
    return TransformerNetwork(BertForSequenceClassification(config))
