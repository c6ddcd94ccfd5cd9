import numpy as np
import pytest
import torch

from smelt.models.attribution import integrated_gradients
from smelt.models.cnn import CnnNetwork, CnnSizes
from tests.parallel.cases import tiny_bert
from tests.parallel.families import family

IDS, BASELINE = torch.tensor([1, 4, 7, 11, 3, 2]), torch.tensor([1, 0, 0, 0, 0, 2])


def networks():
    yield "bert", tiny_bert().eval()
    yield "distilbert", family("distilbert").eval()
    torch.manual_seed(1)
    yield "cnn", CnnNetwork(CnnSizes(vocabulary=12, dim=5, filters=4, kernels=(2, 3), classes=3, dropout=0.0)).eval()


@pytest.mark.parametrize(("name", "network"), list(networks()))
def test_the_values_are_those_of_captum(name, network):
    captum = pytest.importorskip("captum.attr")
    found = integrated_gradients(network, IDS, BASELINE, 1)
    reference = captum.LayerIntegratedGradients(lambda ids: network(ids, torch.ones_like(ids)), network.embedding)
    want = reference.attribute(IDS[None], baselines=BASELINE[None], target=1, n_steps=50)[0].sum(-1).detach().numpy()
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(("name", "network"), list(networks()))
def test_they_sum_to_the_difference_of_the_scores(name, network):
    found = integrated_gradients(network, IDS, BASELINE, 2, steps=400)
    with torch.no_grad():
        scores = network(torch.stack([IDS, BASELINE]), torch.ones(2, 6, dtype=torch.int64))[:, 2]
    assert found.sum() == pytest.approx(float(scores[0] - scores[1]), abs=0.02 * np.abs(found).sum())
    assert found[0] == found[-1] == 0.0
