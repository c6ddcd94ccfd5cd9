"""One tiny network of every family whose answers are far apart, documents of unequal lengths, and a codec for ten words."""

import numpy as np
import pytest
import torch

from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.tokens import TokenEncoder, ragged

VOCABULARY = 10


@pytest.fixture(scope="module", autouse=True)
def _state_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMELT_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def transformer():
    sizes = TransformerSizes(vocabulary=VOCABULARY, layers=2, dim=16, heads=2, feed_forward=24, dropout=0.1, max_tokens=40, classes=3)
    return from_sizes(sizes)


def rnn(cell):
    return RnnNetwork(RnnSizes(vocabulary=VOCABULARY, dim=6, cell=cell, hidden=5, classes=3))


FAMILIES = {
    "static": lambda: StaticNetwork(StaticSizes(vocabulary=VOCABULARY, dim=6, hidden=5, classes=3)),
    "cnn": lambda: CnnNetwork(CnnSizes(vocabulary=VOCABULARY, dim=6, filters=4, kernels=(2, 3), classes=3)),
    "rnn": lambda: rnn("rnn"),
    "gru": lambda: rnn("gru"),
    "lstm": lambda: rnn("lstm"),
    "transformer": transformer,
}


def tiny_network(family, seed=5):
    """Random weights large enough that documents differ by far more than rounding."""
    torch.manual_seed(seed)
    network = FAMILIES[family]().eval()
    for name, parameter in network.named_parameters():
        if not name.lower().endswith(("norm.weight", "norm.bias")):
            torch.nn.init.normal_(parameter, std=0.5)
    return network


@pytest.fixture(scope="session")
def make_network():
    return tiny_network


@pytest.fixture(scope="session")
def documents():
    """Twenty-three documents of 1 to 30 tokens; the first is the longest."""
    generator = np.random.default_rng(3)
    lengths = [30, *generator.integers(1, 12, size=22)]
    return ragged([generator.integers(1, VOCABULARY, size=length).tolist() for length in lengths])


@pytest.fixture(scope="session")
def codec(make_tokenizer):
    return ClassifyCodec(labels=("a", "b", "c"), encoder=TokenEncoder(make_tokenizer(), 16), temperature=1.5)
