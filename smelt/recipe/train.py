"""`train:` how the reference is fitted."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Count, Section

Rate = Annotated[float, Field(gt=0, le=10)]


class AdamW(Section):
    """Adam with decoupled weight decay. Loshchilov and Hutter 2019."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: Rate | Literal["auto"] = "auto"
    """Peak learning rate. `auto` takes 2e-4 for pretrained encoders up to 512 wide, 5e-5 for wider ones, ten times that for their new
    head, and 1e-3 for random weights; for transformers in proportion to the documents of a batch where they are fewer than 64, and for
    pretrained weights in a language task to its tokens where they are fewer than 8,192."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decay of matrices; biases and norms have none."""


class Sgd(Section):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: Rate = 0.1
    """Peak learning rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decay of matrices; biases and norms have none."""


class Augment(Section):
    """Noise on the training texts, anew in each epoch."""

    drop_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of tokens left out."""
    swap_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of neighboring tokens that change places."""


class Lora(Section):
    """Small matrices of low rank learn beside the large ones, which stay; in the end they are added up. Hu et al. 2021."""

    kind: Literal["lora"]
    rank: Count = 8
    alpha: Count = 16
    """Scale: what the small matrices say counts alpha / rank times."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Noise on what goes into them."""


class Train(Section):
    """The loop: batches of similar length under a token budget, until the epochs are over or dev stops improving."""

    epochs: Count | Literal["auto"] = "auto"
    """Passes over train. `auto` fits them into the time budget by measured speed, at most `max_epochs`."""
    max_epochs: Count = 8
    """Upper end of `auto`. A classifier takes fewer where train is large: as many as make 200,000 documents, but three at least."""
    batch_tokens: Annotated[int, Field(ge=8)] = 2048
    """Tokens of a batch, padding included."""
    batch_examples: Count = 64
    """Most examples of a batch."""
    optimizer: Annotated[AdamW | Sgd, Field(discriminator="kind")] = AdamW()
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps over which the learning rate rises; afterwards it falls linearly to 0."""
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    """Longest gradient; longer ones are scaled down to it."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Augment = Augment()
    adapter: Lora | Literal["none"] = "none"
    """Learn adapters instead of all weights: less memory, for models that are large beside the data. Needs the extra `adapters`."""
    patience: Count = 3
    """Epochs without a better dev score after which training stops. The best epoch's weights are kept."""
    refit: bool = False
    """After dev has chosen the number of epochs, train once more on train and dev together."""
    report: Literal["score", "classes"] = "score"
    """What is told of dev after each epoch of the reference: accuracy with its interval, or precision, recall and F1 of every class
    beside it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What trains. `auto` takes a GPU where torch finds one. Candidates are timed and certified on the CPU, where bundles run."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward pass. `auto` measures both and takes bf16 where this machine gains by it."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 2.0
    """Minutes between checkpoints; the end of an epoch is always one."""
    checkpoints: Count = 2
    """How many checkpoints are kept while training lasts; an older one is taken where the newest is damaged."""
    threads: Count | Literal["auto"] = "auto"
    """CPU threads. `auto` takes all cores."""
    seed: Annotated[int, Field(ge=0)] = 0
