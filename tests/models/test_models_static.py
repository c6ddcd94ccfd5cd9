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
