import numpy as np
import pytest
import torch

from smelt.models.cnn import CnnNetwork, CnnSizes


@pytest.fixture
def cnn():
    torch.manual_seed(3)
    return CnnNetwork(CnnSizes(vocabulary=7, dim=4, filters=5, kernels=(1, 2, 4), classes=3)).eval()


def score_by_loop(network, document):
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    pooled = []
    for number, width in enumerate(network.sizes.kernels):
        weight, bias = state[f"convolutions.{number}.weight"], state[f"convolutions.{number}.bias"]
        answers = []
        for start in range(len(document)):
            window = [state["embedding.weight"][token] for token in document[start : start + width]]
            answers.append(bias + sum(weight[:, :, place] @ vector for place, vector in enumerate(window)))
        pooled.append(np.maximum(np.max(answers, axis=0), 0))
    return state["outer.weight"] @ np.concatenate(pooled) + state["outer.bias"]


@pytest.mark.parametrize("document", [[4], [1, 2, 6], [5, 5, 0, 3, 3, 1]], ids=len)
def test_scores_are_those_of_a_loop(cnn, score_alone, document):
    np.testing.assert_allclose(score_alone(cnn, document), score_by_loop(cnn, document), atol=1e-5)


def test_the_order_of_tokens_counts(cnn, score_alone):
    assert np.abs(score_alone(cnn, [1, 2, 6]) - score_alone(cnn, [6, 1, 2])).max() > 1e-3
