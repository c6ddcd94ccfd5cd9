"""What is cut: the heads and columns that matter least for what they cost, down to the goal and no further."""

import copy

import numpy as np
import pytest
import torch

from smelt.compress.layers import greedy_layers
from smelt.compress.pruning import GROUP, Importance, Prices, choose_dims, choose_widths, cut, importance, price
from smelt.models.slices import SlicedNetwork, Widths, keep_heads, layers_of, widths_of
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.tasks.tokens import ragged
from smelt.train.fit import cross_entropy
from smelt.train.loader import Batch
from smelt.train.rows import Rows

SIZES = TransformerSizes(vocabulary=13, layers=2, dim=16, heads=4, feed_forward=64, dropout=0.0, max_tokens=16, classes=3)


@pytest.fixture
def network():
    torch.manual_seed(1)
    built = SlicedNetwork(from_sizes(SIZES).hugging_face).eval()
    for parameter in built.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    return built


def cost_of(network):
    widths = widths_of(network)
    return 10 + 3 * sum(widths.heads) + 0.5 * sum(widths.columns)


def test_prices_are_what_the_measurements_differ_by(network):
    found = price(cost_of, network)
    assert (found.whole, found.head, found.column) == (pytest.approx(10 + 24 + 64), pytest.approx(3), pytest.approx(0.5))


def test_what_matters_least_per_cost_goes_first_down_to_the_goal():
    columns = [torch.cat([torch.full((GROUP,), 5.0), torch.full((GROUP,), 0.1)]), torch.full((2 * GROUP,), 9.0)]
    found = Importance([torch.tensor([4.0, 0.2, 9.0]), torch.tensor([3.0, 8.0, 7.0])], columns, torch.zeros(4))
    widths, prices = Widths(dim=4, heads=(3, 3), columns=(64, 64)), Prices(whole=100.0, head=2.0, column=0.25)
    heads, kept = choose_widths(found, widths, prices, 92.0)
    # Per cost: head 1 of layer 0 0.1, the second group of layer 0 0.4, head 0 of layer 1 1.5: the goal is met after the second.
    assert heads == [[0, 2], [0, 1, 2]]
    assert kept == [list(range(GROUP)), list(range(2 * GROUP))]


def test_a_goal_out_of_reach_leaves_a_head_and_a_group_in_each_layer():
    found = Importance([torch.rand(3), torch.rand(3)], [torch.rand(64), torch.rand(64)], torch.zeros(4))
    heads, kept = choose_widths(found, Widths(dim=4, heads=(3, 3), columns=(64, 64)), Prices(whole=9.0, head=0.1, column=0.01), 0.0)
    assert [len(layer) for layer in heads] == [1, 1]
    assert [len(layer) for layer in kept] == [GROUP, GROUP]


def test_importance_is_the_squared_change_of_the_loss_to_first_order(network):
    batch = Batch(torch.tensor([[3, 4, 5], [6, 7, 2]]), torch.ones(2, 3, dtype=torch.int64), torch.tensor([0, 2]), np.array([0, 1]))
    loss = cross_entropy(0.0)
    found = importance(network, [batch], loss)
    layer, step = layers_of(network.hugging_face)[1], 1e-3
    with torch.no_grad():
        before = loss(network, batch)
        layer.attention.output.dense.weight[:, 8:12] *= 1 - step
        change = (loss(network, batch) - before) / step
    assert found.heads[1][2].item() == pytest.approx(float(change) ** 2, rel=0.05)
    assert [part.shape for part in (*found.heads, *found.columns, found.dims)] == [(4,), (4,), (64,), (64,), (16,)]


def test_cutting_and_choosing_dims(network):
    cut(network, [[0], [1, 3]], [range(32), range(64)])
    assert widths_of(network) == Widths(dim=16, heads=(1, 2), columns=(32, 64))
    matters = Importance([], [], torch.arange(64.0))
    assert choose_dims(matters, 0.5) == list(range(32, 64))
    assert choose_dims(matters, 1.0) == []


def test_a_layer_that_does_nothing_is_left_out_first(network):
    idle = copy.deepcopy(network)
    with torch.no_grad():
        layer = layers_of(idle.hugging_face)[0]
        for linear in (layer.attention.output.dense, layer.output.dense):
            linear.weight.zero_()
            linear.bias.zero_()
    rows = Rows(ragged([[2, 5, 3], [2, 9, 4, 4, 3], [2, 8, 8, 3]]), np.array([0, 1, 2]))
    assert greedy_layers(idle, rows, 1) == [1]
    assert greedy_layers(idle, rows, 2) == [0, 1]


def test_heads_are_kept_in_place(network):
    keep_heads(network, 0, [3])
    assert widths_of(network).heads == (1, 4)
