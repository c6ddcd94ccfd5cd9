"""Tiny language models and rows of several documents for them."""

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.models.mistral import MistralConfig
from transformers.models.qwen2 import Qwen2Config
from transformers.models.qwen3 import Qwen3Config

from smelt.data.packing import best_fit
from smelt.models.language import LanguageNetwork, LanguageSizes, from_sizes
from smelt.tasks.language import Cover
from smelt.tasks.tokens import ragged
from smelt.train.documents import Tokens
from smelt.train.language import LanguageRows

VOCABULARY = 12
MASK = 3
ROW = 24


def language_rows(*, masked, count=53, seed=0):
    """Documents of 4 to 12 tokens, whose next token follows from the last one most of the time."""
    generator = np.random.default_rng(seed)
    documents = []
    for length in generator.integers(2, 11, size=count):
        inner = [4 + int(generator.integers(8))]
        while len(inner) < length:
            inner.append(4 + (inner[-1] - 3) % 8 if generator.random() < 0.8 else 4 + int(generator.integers(8)))
        documents.append([1, *inner, 2])
    arrays = ragged(documents)
    special = np.arange(VOCABULARY) < 4
    cover = Cover(
        share=0.3, masked=0.8, replaced=0.1, mask=MASK, continues_V=np.zeros(VOCABULARY, bool), special_V=special
    )  # fmt: skip
    order, starts = best_fit(np.diff(arrays.offsets), ROW)
    sizes = np.full(count, 10)
    return LanguageRows(Tokens([arrays.ids], arrays.offsets), np.arange(count), sizes, order, starts, cover if masked else None)


def language_model(architecture, *, layers=4, heads=4, kv_heads=4):
    """A network whose tokens have unlike scores from the start, without dropout."""
    torch.manual_seed(5)
    network = from_sizes(
        LanguageSizes(
            architecture=architecture, vocabulary=VOCABULARY, layers=layers, dim=16, heads=heads, kv_heads=kv_heads, feed_forward=20,
            dropout=0.0, max_tokens=ROW, start=1, end=2,
        )
    )  # fmt: skip
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return network


def decoder(kind):
    """A tiny decoder of another architecture, from the library's own configuration."""
    torch.manual_seed(5)
    config = {"qwen2": Qwen2Config, "qwen3": Qwen3Config, "mistral": MistralConfig}[kind](
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, intermediate_size=20,
        head_dim=4, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    network = LanguageNetwork(AutoModelForCausalLM.from_config(config))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return network
