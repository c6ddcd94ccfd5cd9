"""One tiny network of every family, and a padded batch with its rows alone."""

import itertools

import numpy as np
import pytest
import torch

from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.tasks.tokens import ragged

VOCABULARY = 11
DOCUMENTS = ([2, 5, 3], [2, 9, 4, 4, 7, 10, 3], [6], [2, 8, 8, 3])


def rnn(cell, bidirectional, layers):
    sizes = RnnSizes(vocabulary=VOCABULARY, dim=6, cell=cell, hidden=5, classes=3, layers=layers, bidirectional=bidirectional)
    return RnnNetwork(sizes)


def static():
    network = StaticNetwork(StaticSizes(vocabulary=VOCABULARY, dim=6, hidden=5, classes=3))
    torch.nn.init.normal_(network.weight.weight)
    return network


def cnn():
    return CnnNetwork(CnnSizes(vocabulary=VOCABULARY, dim=6, filters=4, kernels=(2, 3, 5), classes=3))


def transformer():
    sizes = TransformerSizes(vocabulary=VOCABULARY, layers=3, dim=8, heads=2, feed_forward=12, dropout=0.1, max_tokens=16, classes=3)
    network = from_sizes(sizes)
    for name, parameter in network.named_parameters():
        if not name.endswith("LayerNorm.weight"):
            torch.nn.init.normal_(parameter, std=0.5)  # BERT's own start is so small that every document looks the same
    return network


FAMILIES = {"static": static, "cnn": cnn, "transformer": transformer} | {
    f"{cell}-{2 if both else 1} directions-{layers} layers": lambda cell=cell, both=both, layers=layers: rnn(cell, both, layers)
    for cell, both, layers in itertools.product(("rnn", "gru", "lstm"), (False, True), (1, 2))
}


@pytest.fixture(params=FAMILIES)
def network(request):
    torch.manual_seed(7)
    return FAMILIES[request.param]().eval()


@pytest.fixture
def documents():
    """Four documents of unequal lengths, none of them empty."""
    return [list(document) for document in DOCUMENTS]


@pytest.fixture
def batch(documents):
    return ragged(documents)


@pytest.fixture
def score_alone():
    """Scores one document without any padding. Shape (C,)."""

    def score(network, document):
        ids = torch.tensor([document])
        with torch.inference_mode():
            return network(ids, torch.ones_like(ids))[0].numpy().astype(np.float64)

    return score


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory, make_tokenizer):
    """A model folder as fine-tuning elsewhere leaves it: configuration, tokenizer, safetensors."""
    folder = tmp_path_factory.mktemp("model") / "sound"
    folder.mkdir()
    torch.manual_seed(7)
    transformer().save(folder)
    (folder / "tokenizer.json").write_text(make_tokenizer().to_str(), encoding="utf-8")
    return folder
