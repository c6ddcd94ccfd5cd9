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

from smelt.models.network import Network


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
    """
    silence_transformers()
    settings = {} if classes is None else {"num_labels": classes}
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **settings)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation="sdpa",
        dtype="float32",
    )
    return TransformerNetwork(model)


def silence_transformers() -> None:
    """Keep progress bars and loading reports of the library off the terminal."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


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
