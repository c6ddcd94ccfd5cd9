"""Copies that learn by themselves meet at their mean; what cannot be split is refused with what can."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from smelt.errors import UsageFault
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.parallel.place import check_spread, meet
from smelt.recipe.parallel import Parallel
from tests.parallel.cases import tiny_bert
from tests.parallel.language import decoder


def test_copies_meet_at_the_mean_of_their_weights_and_moments():
    network = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0, momentum=0.9)
    network.weight.grad = torch.tensor([[4.0, 8.0]])
    optimizer.step()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 3.0]]))
    # The other copy has 5 everywhere.
    other = SimpleNamespace(section=Parallel(replicate=2, sync_every=2), readers=2, sum=lambda tensor: tensor + 5.0)
    meet(network, optimizer, other)
    assert network.weight.tolist() == [[3.0, 4.0]]
    assert optimizer.state[network.weight]["momentum_buffer"].tolist() == [[4.5, 6.5]]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Parallel(tensor=3), "3 processes cannot share 4 heads and 20 feed-forward columns evenly\n  Take one of 1, 2, 4."),
        (Parallel(pipeline=3, pipeline_schedule="interleaved"), "6 stages of 4 layers\n  Take at most 4 stages"),
    ],
)
def test_a_network_that_cannot_be_split_so_is_refused_with_what_can_be(section, message):
    with pytest.raises(UsageFault) as caught:
        check_spread(tiny_bert(), section)
    assert message in str(caught.value)


def test_norms_within_heads_are_not_split():
    with pytest.raises(UsageFault, match="cannot be split"):
        check_spread(decoder("qwen3"), Parallel(tensor=2))


def test_a_network_without_known_matrices_is_refused():
    network = CnnNetwork(CnnSizes(vocabulary=5, dim=4, filters=2, kernels=(1,), classes=2, dropout=0.0))
    with pytest.raises(UsageFault, match="cannot be split"):
        check_spread(network, Parallel(tensor=2))
