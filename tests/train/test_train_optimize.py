import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.recipe.train import AdamW, Sgd, Train
from smelt.tasks.tokens import ragged
from smelt.train.optimize import build_optimizer, rate_for, rate_share
from smelt.train.rows import Rows

SHARES = st.floats(0, 0.99)


class Tiny(nn.Module):
    """Two matrices, of which one is frozen; a bias and a norm."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Embedding(5, 3).requires_grad_(requires_grad=False)
        self.linear = nn.Linear(3, 2)
        self.norm = nn.LayerNorm(2)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return Tiny()


@pytest.fixture
def transformer():
    return from_sizes(TransformerSizes(vocabulary=9, layers=1, dim=8, heads=2, feed_forward=8, dropout=0.0, max_tokens=8, classes=2))


def ids(parameters):
    return {id(parameter) for parameter in parameters}


def test_rate_share_is_as_worked_by_hand():
    # Ten steps, two of them rise: 1/2, 2/2; then eight fall from 8/8 to 1/8.
    want = [0.5, 1.0, 8 / 8, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert [rate_share(step, 10, 0.2) for step in range(10)] == pytest.approx(want)


def test_rate_share_without_warm_up_falls_from_the_first_step():
    assert [rate_share(step, 4, 0.0) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_a_warm_up_shorter_than_a_step_is_none():
    assert rate_share(0, 5, 0.1) == 1.0


@given(st.integers(1, 5000), SHARES)
def test_rate_share_is_0_after_the_last_step(steps, warmup):
    assert rate_share(steps, steps, warmup) == 0.0


@given(st.integers(1, 300), SHARES)
def test_rate_share_stays_above_0_and_reaches_1_when_the_warm_up_ends(steps, warmup):
    shares = [rate_share(step, steps, warmup) for step in range(steps)]
    rising = int(steps * warmup)
    assert min(shares) > 0
    assert max(shares) == shares[rising] == 1.0


@given(st.integers(1, 300), SHARES)
def test_rate_share_rises_and_then_falls(steps, warmup):
    shares = [rate_share(step, steps, warmup) for step in range(steps)]
    rising = int(steps * warmup)
    assert shares[:rising] == sorted(shares[:rising])
    assert shares[rising:] == sorted(shares[rising:], reverse=True)


@pytest.mark.parametrize("section", [AdamW(weight_decay=0.3), Sgd(weight_decay=0.3)], ids=["adamw", "sgd"])
def test_matrices_decay_and_biases_and_norms_do_not(tiny, section):
    groups = {group["weight_decay"]: ids(group["params"]) for group in build_optimizer(tiny, section, 1e-3).param_groups}
    assert groups == {0.3: ids([tiny.linear.weight]), 0.0: ids([tiny.linear.bias, tiny.norm.weight, tiny.norm.bias])}


def test_frozen_parameters_are_left_out(tiny):
    groups = build_optimizer(tiny, AdamW(), 1e-3).param_groups
    assert id(tiny.frozen.weight) not in ids(parameter for group in groups for parameter in group["params"])


@pytest.mark.parametrize(("learning_rate", "want"), [("auto", 7e-4), (0.02, 0.02)])
def test_auto_takes_the_rate_that_is_given(tiny, learning_rate, want):
    groups = build_optimizer(tiny, AdamW(learning_rate=learning_rate), 7e-4).param_groups
    assert [(group["lr"], group["initial_lr"]) for group in groups] == [(want, want)] * 2


def test_sgd_moves_by_rate_times_gradient(tiny):
    before = tiny.linear.weight.detach().clone()
    optimizer = build_optimizer(tiny, Sgd(learning_rate=0.5, momentum=0.0), 1e-3)
    tiny.linear.weight.grad = torch.full((2, 3), 0.25)
    optimizer.step()
    torch.testing.assert_close(tiny.linear.weight.detach(), before - 0.125)


def test_a_new_head_learns_faster_than_the_encoder_under_it(transformer):
    optimizer = build_optimizer(transformer, AdamW(), 1e-4, head=10.0)
    rates = {id(parameter): group["initial_lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert rates[id(transformer.hugging_face.classifier.weight)] == pytest.approx(1e-3)
    assert rates[id(transformer.hugging_face.bert.encoder.layer[0].output.dense.weight)] == pytest.approx(1e-4)
    assert len(rates) == len(list(transformer.parameters()))


def test_a_transformer_learns_slower_in_small_batches_and_others_do_not(transformer, tiny):
    rows = Rows(ragged([[1] * 9] * 32), np.zeros(32, np.int64))
    assert rate_for(transformer, rows, Train(batch_examples=8)) == pytest.approx(8 / 64)
    assert rate_for(transformer, rows, Train(batch_examples=32)) == pytest.approx(32 / 64)
    assert rate_for(tiny, rows, Train(batch_examples=8)) == 1.0
