"""Stages, one after the other, answer as the network that they were cut from; between them they hold each parameter once."""

import copy

import pytest
import torch

from smelt.models.stages import Stage, cut_stages, spread_layers
from tests.parallel.families import CONFIGS, family


@pytest.fixture(params=sorted(CONFIGS))
def network(request):
    return family(request.param).eval()


def test_stages_answer_as_the_network_of_every_known_family(network):
    ids, mask = torch.randint(5, 19, (3, 7)), torch.ones(3, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    with torch.no_grad():
        want, states = network(ids, mask), ids
        for layers in spread_layers(network.depth, 2):
            states = Stage(network, layers)(states, mask)
    torch.testing.assert_close(states, want, rtol=0, atol=1e-6)


def test_what_is_left_in_each_process_is_the_whole_once_under_its_old_names(network):
    whole, left = network.state_dict(), {}
    for layers in spread_layers(network.depth, 2):
        part = copy.deepcopy(network)
        cut_stages(part, [layers])
        own = part.state_dict()
        assert not own.keys() & left.keys()
        left |= own
    assert left.keys() == whole.keys()


@pytest.mark.parametrize(("depth", "stages", "want"), [(4, 2, [2, 2]), (5, 2, [2, 3]), (5, 4, [1, 1, 1, 2]), (3, 3, [1, 1, 1])])
def test_layers_are_spread_as_evenly_as_can_be(depth, stages, want):
    found = spread_layers(depth, stages)
    assert [len(one) for one in found] == want
    assert [layer for one in found for layer in one] == list(range(depth))
