"""Stages, one after the other, answer as the network that they were cut from; between them they hold each parameter once."""

import copy
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smelt.models.stages import Stage, costs_of, cut_stages, spread_layers
from tests.parallel.families import CONFIGS, family
from tests.parallel.language import language_model


@pytest.fixture(params=sorted(CONFIGS))
def network(request):
    return family(request.param).eval()


def test_stages_answer_as_the_network_of_every_known_family(network):
    ids, mask = torch.randint(5, 19, (3, 7)), torch.ones(3, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    with torch.no_grad():
        want, states = network(ids, mask), ids
        for layers in spread_layers([1.0] * network.depth, 2):
            states = Stage(network, layers)(states, mask)
    torch.testing.assert_close(states, want, rtol=0, atol=1e-6)


def test_what_is_left_in_each_process_is_the_whole_once_under_its_old_names(network):
    whole, left = network.state_dict(), {}
    for layers in spread_layers([1.0] * network.depth, 2):
        part = copy.deepcopy(network)
        cut_stages(part, [layers])
        own = part.state_dict()
        assert not own.keys() & left.keys()
        left |= own
    assert left.keys() == whole.keys()


@pytest.mark.parametrize(("depth", "stages", "want"), [(4, 2, [2, 2]), (5, 2, [2, 3]), (5, 4, [1, 1, 1, 2]), (3, 3, [1, 1, 1])])
def test_layers_are_spread_as_evenly_as_can_be(depth, stages, want):
    found = spread_layers([1.0] * depth, stages)
    assert [len(one) for one in found] == want
    assert [layer for one in found for layer in one] == list(range(depth))


def highest(costs, spread, last):
    return max(sum(costs[layer] for layer in held) + last * (held is spread[-1]) for held in spread)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 20))
def test_the_costliest_stage_is_as_cheap_as_any_cut_allows(costs, stages, last):
    stages = min(stages, len(costs))
    found = spread_layers(costs, stages, last)
    assert [layer for held in found for layer in held] == list(range(len(costs)))
    assert len(found) == stages
    assert all(found)
    every = [
        [range(start, end) for start, end in zip((0, *cuts), (*cuts, len(costs)), strict=True)]
        for cuts in combinations(range(1, len(costs)), stages - 1)
    ]
    assert highest(costs, found, last) == min(highest(costs, one, last) for one in every)


@pytest.mark.parametrize(
    ("costs", "stages", "last", "want"),
    [
        ([1] * 4, 2, 0, [2, 2]),
        ([1] * 4, 3, 0, [1, 1, 2]),
        ([1] * 12, 4, 0, [3, 3, 3, 3]),
        ([1] * 12, 4, 3, [3, 4, 4, 1]),
        ([1] * 4, 2, 100, [3, 1]),
    ],
)
def test_scores_that_cost_much_leave_the_last_stage_fewer_layers(costs, stages, last, want):
    assert [len(held) for held in spread_layers(costs, stages, last)] == want


def test_the_scores_of_a_language_model_have_a_cost_those_of_a_classifier_none():
    layers, last = costs_of(language_model("llama"))
    # Queries, keys, values and output of 16 x 16, and three feed-forward matrices of 16 x 20.
    assert layers == [4 * 256 + 3 * 320] * 4
    assert last == 16 * 12
    assert costs_of(family("bert"))[1] == 0
