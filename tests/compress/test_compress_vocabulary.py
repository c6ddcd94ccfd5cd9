import numpy as np
import pytest
import torch

from smelt.compress.vocabulary import grow, renumber, shrink, used_tokens
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.tasks.padding import pad
from smelt.tasks.tokens import ragged
from smelt.train.rows import Rows

TRAIN = Rows(ragged([[3, 11, 5], [7, 3]]), np.array([0, 1]))
DEV = Rows(ragged([[5, 19, 3, 7]]), np.array([1]))
MAKERS = {
    "static": lambda: StaticNetwork(StaticSizes(vocabulary=23, dim=6, hidden=5, classes=3)),
    "cnn": lambda: CnnNetwork(CnnSizes(vocabulary=23, dim=6, filters=4, kernels=(2, 3), classes=3)),
    "rnn": lambda: RnnNetwork(RnnSizes(vocabulary=23, dim=6, cell="lstm", hidden=4, classes=3)),
}


@pytest.fixture(params=MAKERS)
def network(request):
    torch.manual_seed(2)
    return MAKERS[request.param]().eval()


def score(network, rows):
    ids, mask = pad(rows.arrays)
    with torch.no_grad():
        return network(torch.from_numpy(ids), torch.from_numpy(mask))


def test_used_tokens_are_those_of_all_splits():
    assert used_tokens(TRAIN, DEV).tolist() == [3, 5, 7, 11, 19]


def test_a_shrunken_network_answers_renumbered_documents_as_the_whole_one(network):
    used = used_tokens(TRAIN, DEV)
    for rows in (TRAIN, DEV):
        torch.testing.assert_close(score(shrink(network, used), renumber(rows, used)), score(network, rows))
    assert sum(p.numel() for p in shrink(network, used).parameters()) < sum(p.numel() for p in network.parameters())


def test_a_grown_network_has_what_was_learned_and_the_rest_of_its_tokens(network):
    used = used_tokens(TRAIN, DEV)
    small = shrink(network, used)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.randn_like(parameter))
    before = network.embedding.weight.clone()
    whole = grow(small, network, used)
    torch.testing.assert_close(score(whole, TRAIN), score(small, renumber(TRAIN, used)))
    unused = [token for token in range(23) if token not in used]
    torch.testing.assert_close(whole.embedding.weight[unused], before[unused])
    torch.testing.assert_close(network.embedding.weight, before)
