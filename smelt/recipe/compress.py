"""`compress:` which smaller models are tried."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Count, Section, Share

Limit = Annotated[float, Field(gt=0)] | Literal["none"]


class Distill(Section):
    """How a student learns from the reference. Hinton, Vinyals and Dean 2015."""

    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Softens both distributions before they are compared."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Weight of the reference's answers; the labels have the rest."""
    hidden_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the squared distance between normalized states of matched layers. 0 leaves it out."""
    attention_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the divergence between the attention of matched layers, averaged over heads. 0 leaves it out."""
    mixup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the batches whose embeddings are mixed in pairs; the reference answers the mixtures. 0 leaves it out."""


class Transfer(Section):
    """What students learn on: train, noisy copies of it, and further texts, all answered by the reference. Tang et al. 2019."""

    copies: Annotated[int, Field(ge=0, le=50)] | Literal["auto"] = "auto"
    """Noisy copies of train, in turns with words replaced, words dropped, and halves of two texts joined. `auto` makes up to 6,
    and fewer the more tokens train has."""
    path: str = ""
    """A csv, tsv, jsonl or parquet file of further texts, without labels, like those to be answered later. Empty for none. Texts that stand
    in dev or confirm are left out, and counted."""
    text: Annotated[str, Field(min_length=1)] = "text"
    """Column of `path` that holds the text."""
    replace_words: Share = 0.25
    """Share of tokens that one of the ten nearest in the reference's embeddings takes the place of."""
    drop_words: Share = 0.25
    """Share of tokens left out."""


class Limits(Section):
    """What a candidate must not exceed, as measured on this machine. One that does is not tested, and the report says so."""

    latency_ms_p50: Limit = "none"
    """Milliseconds for one document at batch 1, median."""
    latency_ms_p99: Limit = "none"
    """The same, 99th percentile."""
    size_bytes: Limit = "none"
    """Bytes of the bundle, such as 8.0e6."""
    peak_rss_bytes: Limit = "none"
    """Most memory of a process that answers."""


class Weighting(Section):
    """How much each figure counts where `minimize` is `weighted`: the price is their product, each to the power of its weight.

    With latency 1 and size 0.5 a model of half the latency may have four times the size.
    """

    latency: Annotated[float, Field(ge=0)] = 1.0
    """Milliseconds for one document at batch 1."""
    throughput: Annotated[float, Field(ge=0)] = 1.0
    """Milliseconds per document in batches."""
    size: Annotated[float, Field(ge=0)] = 0.0
    """Bytes of the bundle."""


class Depth(Section):
    """A copy of the reference with fewer layers, spread evenly from first to last."""

    kind: Literal["depth"] = "depth"
    layers: Annotated[Count, Field(examples=[3])]
    """Layers that stay."""
    choose: Literal["evenly", "greedy"] = "evenly"
    """Which layers stay: evenly spread ones, or those whose loss hurts most on dev, left out one by one."""
    epochs: Count | Literal["auto"] = "auto"
    """Passes over the transfer set. `auto` fits them into the time budget, at most 8."""


class Width(Section):
    """A copy of the reference with fewer heads, feed-forward columns and state dimensions: those that matter least go first.

    What a head or a column costs is measured on this machine; what it matters is told by gradients. After each cut the student is taught.
    """

    kind: Literal["width"] = "width"
    layers: Count | Literal["all"] = "all"
    """Layers that stay, evenly spread."""
    cost: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """What the student may cost, as a share of what it costs with all its heads and columns."""
    dim: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the state's dimensions that stays."""
    rounds: Annotated[int, Field(ge=1, le=10)] = 2
    """Cuts, with teaching after each."""
    epochs: Count | Literal["auto"] = "auto"
    """Passes over the transfer set, in each round. `auto` fits them into the time budget, at most 8 in all."""


class Static(Section):
    """A static student: the reference's word embeddings, a learned weight per token, one hidden layer."""

    kind: Literal["static"] = "static"
    hidden: Count = 512
    """Width of the hidden layer."""
    pairs: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """The most frequent pairs of neighboring tokens of train have vectors of their own, so many of them at most."""
    positions: Annotated[int, Field(ge=0, le=512)] = 0
    """The first so many places of a document, and as many at its end, have learned weights of their own."""
    epochs: Count | Literal["auto"] = "auto"
    """Passes over the transfer set. `auto` fits them into the time budget, at most 12."""


class Cnn(Section):
    """A text CNN student on the reference's word embeddings."""

    kind: Literal["cnn"] = "cnn"
    filters: Count = 192
    """Filters per kernel width."""
    kernels: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = (2, 3, 4)
    """Kernel widths in tokens."""
    epochs: Count | Literal["auto"] = "auto"
    """Passes over the transfer set. `auto` fits them into the time budget, at most 12."""


class Rnn(Section):
    """A recurrent student on the reference's word embeddings."""

    kind: Literal["rnn"] = "rnn"
    cell: Literal["rnn", "gru", "lstm"] = "gru"
    hidden: Count = 128
    """Width of the state, per direction."""
    epochs: Count | Literal["auto"] = "auto"
    """Passes over the transfer set. `auto` fits them into the time budget, at most 12."""


class Linear(Section):
    """TF-IDF over n-grams and a linear classifier, fitted on train and on what the reference answers to further texts."""

    kind: Literal["linear"] = "linear"
    features: Annotated[int, Field(ge=100)] = 200_000
    """Most n-grams kept, the most frequent ones."""


NetworkStudent = Depth | Width | Static | Cnn | Rnn
Student = Annotated[Depth | Width | Static | Cnn | Rnn | Linear, Field(discriminator="kind")]
Format = Literal["numpy-fp32", "openvino-fp32", "openvino-bf16", "openvino-int8", "onnxruntime-fp32", "onnxruntime-int8"]


class Compress(Section):
    """The grid of candidates: the reference and each student, in each format that can hold it. Cheapest promising ones first."""

    students: Annotated[tuple[Student, ...], Field(strict=False)] | Literal["auto"] = "auto"
    """Students to distill. `auto` takes a linear and a static one, one with half the layers, one with a third of them, and a CNN."""
    formats: Annotated[tuple[Format, ...], Field(min_length=1, strict=False)] = (
        "numpy-fp32", "openvino-bf16", "openvino-int8", "onnxruntime-fp32", "onnxruntime-int8",
    )  # fmt: skip
    """Runtimes and precisions to export to. `numpy` runs static and linear models only."""
    distill: Distill = Distill()
    transfer: Transfer = Transfer()
    cascade: Literal["auto", "none"] = "auto"
    """Whether each student is also tried in front of a better model, the reference's own export or another student: it answers what it is
    sure of, the other one the rest."""
    vocabulary: Literal["whole", "used"] = "whole"
    """Which tokens students know: those of the reference, or the ones that occur in train, and letters to spell the rest. `used` makes
    bundles smaller, and slower by nothing. It keeps students out of cascades."""
    quantize_aware: Literal["auto", "none"] = "auto"
    """Whether a student that answers worse in int8 than it did is taught on while it rounds as int8 does."""
    calibration_rows: Count = 300
    """Training documents that set the ranges of static int8."""
    limits: Limits = Limits()
    finalist_seeds: Annotated[int, Field(ge=0, le=10)] = 1
    """How often the most promising student is taught again from other random numbers, while there is time. Each time is a candidate."""
    search: Literal["auto", "exhaustive"] = "auto"
    """`auto` halves many students, and leaves out formats that cannot pay; `exhaustive` teaches all students to the end and tries
    every format, to see whether `auto` missed something."""
    workers: Count | Literal["none"] = "none"
    """Students are taught in so many processes of their own at a time, which share the cores; `none` teaches them in this one."""
    minimize: Literal["balanced", "latency", "throughput", "size", "weighted"] = "balanced"
    """What is cheap: the geometric mean of latency and time per document, one of the two (time per document is also what a million
    documents cost at full load), bytes on disk, or a price of all three by `weighting`."""
    weighting: Weighting = Weighting()
