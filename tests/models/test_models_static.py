import math

import numpy as np
import pytest
import torch

from smelt.models.static import StaticNetwork, StaticSizes


@pytest.fixture
def static():
    torch.manual_seed(3)
    network = StaticNetwork(StaticSizes(vocabulary=7, dim=4, hidden=5, classes=3)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def score_by_loop(network, document):
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    strength = [math.exp(state["weight.weight"][token, 0]) for token in document]
    mean = sum(share * state["embedding.weight"][token] for share, token in zip(strength, document, strict=True)) / sum(strength)
    normal = (mean - mean.mean()) / math.sqrt(mean.var() + 1e-5) * state["norm.weight"] + state["norm.bias"]
    inner = state["inner.weight"] @ normal + state["inner.bias"]
    hidden = np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in inner])
    return state["outer.weight"] @ hidden + state["outer.bias"]


@pytest.mark.parametrize("document", [[4], [1, 2, 6], [5, 5, 0, 3, 3]])
def test_scores_are_those_of_a_loop(static, score_alone, document):
    np.testing.assert_allclose(score_alone(static, document), score_by_loop(static, document), atol=1e-5)


def test_the_order_of_tokens_does_not_count(static, score_alone):
    np.testing.assert_allclose(score_alone(static, [1, 2, 6]), score_alone(static, [6, 1, 2]), atol=1e-6)


def test_a_new_network_weighs_every_token_equally():
    assert not StaticNetwork(StaticSizes(vocabulary=7, dim=4, hidden=5, classes=3)).weight.weight.any()


def test_places_near_start_and_end_multiply_the_weight_of_their_token(static, score_alone):
    placed = StaticNetwork(StaticSizes(vocabulary=7, dim=4, hidden=5, classes=3, positions=2)).eval()
    placed.load_state_dict(static.state_dict(), strict=False)
    np.testing.assert_allclose(score_alone(placed, [1, 2, 6]), score_alone(static, [1, 2, 6]), atol=1e-6)  # a new one knows of no place
    with torch.no_grad():
        placed.starts.copy_(torch.tensor([2.0, 1.0, 0.5]).log())
        placed.ends.copy_(torch.tensor([3.0, 5.0, 1.0]).log())
    # Weights by hand: starts 2, 1, .5, .5 and ends 1, 1, 5, 3 for four tokens; another network has a token for each of them.
    wide = StaticNetwork(StaticSizes(vocabulary=11, dim=4, hidden=5, classes=3)).eval()
    state, factors = dict(static.state_dict()), torch.tensor([[2.0], [1.0], [2.5], [1.5]]).log()
    tokens = [1, 2, 6, 2]
    state["embedding.weight"] = torch.cat([state["embedding.weight"], static.embedding.weight[tokens]])
    state["weight.weight"] = torch.cat([state["weight.weight"], static.weight.weight[tokens] + factors])
    wide.load_state_dict(state)
    np.testing.assert_allclose(score_alone(placed, tokens), score_alone(wide, [7, 8, 9, 10]), atol=1e-5)


@pytest.fixture
def paired(static):
    """The same network with vectors for the pairs (1, 2), (2, 6) and (5, 5)."""
    network = StaticNetwork(StaticSizes(vocabulary=7, dim=4, hidden=5, classes=3, pairs=3)).eval()
    network.load_state_dict(static.state_dict(), strict=False)
    network.teach_pairs(torch.tensor([[1, 2], [2, 6], [5, 5]]))
    torch.nn.init.normal_(network.pairs.weight)
    torch.nn.init.normal_(network.pair_weight.weight)
    return network


def test_known_pairs_count_as_further_tokens(static, paired, score_alone):
    # Another network, whose tokens 7 and 8 are the pairs that [1, 2, 6] holds, in a document that spells them out.
    wide = StaticNetwork(StaticSizes(vocabulary=9, dim=4, hidden=5, classes=3)).eval()
    state = dict(static.state_dict())
    state["embedding.weight"] = torch.cat([state["embedding.weight"], paired.pairs.weight[:2]])
    state["weight.weight"] = torch.cat([state["weight.weight"], paired.pair_weight.weight[:2]])
    wide.load_state_dict(state)
    np.testing.assert_allclose(score_alone(paired, [1, 2, 6]), score_alone(wide, [1, 2, 6, 7, 8]), atol=1e-5)


def test_the_order_of_tokens_counts_where_pairs_are_known(paired, score_alone):
    assert not np.allclose(score_alone(paired, [1, 2, 6]), score_alone(paired, [6, 1, 2]))
    np.testing.assert_allclose(score_alone(paired, [3, 1]), score_alone(paired, [1, 3]), atol=1e-6)


def test_a_new_pair_begins_as_the_mean_of_its_tokens(static):
    network = StaticNetwork(StaticSizes(vocabulary=7, dim=4, hidden=5, classes=3, pairs=1))
    network.teach_pairs(torch.tensor([[2, 6]]))
    want = (network.embedding.weight[2] + network.embedding.weight[6]) / 2
    torch.testing.assert_close(network.pairs.weight[0], want)


def test_pairs_follow_their_tokens_when_others_are_thrown_out(paired, score_alone):
    small = StaticNetwork(paired.sizes).eval()
    small.load_state_dict(paired.state_dict())
    small.keep_tokens(torch.tensor([0, 2, 5, 6]))
    np.testing.assert_allclose(score_alone(small, [1, 3, 2, 2]), score_alone(paired, [2, 6, 5, 5]), atol=1e-5)
    np.testing.assert_allclose(score_alone(small, [0, 1]), score_alone(paired, [0, 2]), atol=1e-5)
