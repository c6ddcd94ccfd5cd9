"""From a recipe's `model:` section to a model that guesses tokens, and the codec that feeds it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from smelt.errors import BundleFault
from smelt.language import say
from smelt.models.build import positions_of
from smelt.models.folder import check_folder, find_weights
from smelt.models.language import PACKED, LanguageNetwork, LanguageSizes, from_sizes, open_language
from smelt.models.vocabulary import train_tokenizer
from smelt.recipe.model import PretrainedTransformer, ScratchTransformer
from smelt.recipe.task import LanguageTask, MaskedLanguageTask
from smelt.tasks.language import Cover, LanguageCodec, framing, make_cover
from smelt.tasks.tokens import FILE, read_tokenizer


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A network, the codec of its text, and which tokens it has to guess."""

    network: LanguageNetwork
    codec: LanguageCodec
    cover: Cover | None
    """None for a decoder."""
    ready: bool
    """Whether it can guess before it is trained: its weights and its head are given."""


def build_language(
    section: PretrainedTransformer | ScratchTransformer, task: LanguageTask, texts: Iterable[str], seed: int
) -> LanguageModel:  # fmt: skip
    """Build the model before training.

    Args:
        section: weights that are there, or sizes.
        task: what has to be guessed.
        texts: training documents; read only where a vocabulary is trained.
        seed: of random weights.

    Raises:
        BundleFault: the weights' folder is unsafe, damaged or not for this task.
        EnvironmentFault: the weights cannot be found.
    """
    torch.manual_seed(seed)
    if isinstance(section, PretrainedTransformer):
        return _opened(find_weights(section.weights, section.revision), section.max_tokens, task)
    tokenizer = train_tokenizer(texts, section.vocabulary)
    start, end = tokenizer.encode("").ids
    network = from_sizes(
        LanguageSizes(
            architecture=section.architecture, vocabulary=tokenizer.get_vocab_size(with_added_tokens=True), layers=section.layers,
            dim=section.dim, heads=section.heads, kv_heads=section.heads if section.kv_heads == "auto" else section.kv_heads,
            feed_forward=section.feed_forward, dropout=section.dropout, max_tokens=section.max_tokens, start=start, end=end,
        )
    )  # fmt: skip
    codec = LanguageCodec(tokenizer=tokenizer, max_tokens=section.max_tokens, start=(start,), end=(end,), causal=network.causal)
    return LanguageModel(network, codec, _cover(codec, task), ready=False)


def load_language(folder: Path, max_tokens: int, task: LanguageTask) -> LanguageModel:
    """Open a folder that this process or another one of the run wrote.

    Raises:
        BundleFault: it is unsafe, damaged or not for this task.
    """
    check_folder(folder)
    return _opened(folder, max_tokens, task)


def _opened(folder: Path, max_tokens: int, task: LanguageTask) -> LanguageModel:
    causal = not isinstance(task, MaskedLanguageTask)
    network, ready = open_language(folder, causal=causal)
    config = network.hugging_face.config
    if task.packing != "none" and network.kind not in PACKED:
        raise BundleFault(
            say("{folder}: a {kind} reads one document per row", folder=folder, kind=network.kind),
            step=say("Set task.packing: none."),
        )
    tokenizer = read_tokenizer(folder / FILE)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) >= network.embedding.num_embeddings:
        raise BundleFault(say("{folder}: its tokenizer has more tokens than the model", folder=folder))
    ends = config.eos_token_id
    start, end = framing(tokenizer, causal=causal, end=ends[0] if isinstance(ends, list) else ends)
    codec = LanguageCodec(tokenizer=tokenizer, max_tokens=min(max_tokens, positions_of(config)), start=start, end=end, causal=causal)
    return LanguageModel(network, codec, _cover(codec, task), ready=ready)


def _cover(codec: LanguageCodec, task: LanguageTask) -> Cover | None:
    if not isinstance(task, MaskedLanguageTask):
        return None
    return make_cover(
        codec.tokenizer, share=task.cover, whole_words=task.whole_words, masked=task.masked, replaced=task.replaced
    )  # fmt: skip
