from dataclasses import replace

import pytest
import torch
from torch import nn

from smelt.recipe.train import Augment, Sgd
from smelt.train.batch import Batch
from smelt.train.fit import Plan, Training, cross_entropy, fit
from smelt.train.loader import epoch_batches
from smelt.train.optimize import build_optimizer

WHOLE = 2**31


@pytest.fixture
def training(section, make_cnn, make_rows):
    """Two epochs of five steps, without noise."""
    section = section.model_copy(update={"augment": Augment()})
    network = make_cnn()
    return Training(
        network=network,
        optimizer=build_optimizer(network, section.optimizer, 1e-3),
        rows=make_rows(23),
        section=section,
        plan=Plan(epochs=2, steps_per_epoch=WHOLE, precision="fp32", seconds=0.0),
        loss=cross_entropy(0.0),
    )


def with_sgd(training, **settings):
    section = training.section.model_copy(update={"warmup_share": 0.0, **settings})
    optimizer = build_optimizer(training.network, Sgd(learning_rate=0.5, momentum=0.0), 0.0)
    return replace(training, section=section, optimizer=optimizer)


def weights(network):
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def loop_by_hand(network, rows, section, *, rate, decay, clip):
    """The training that `fit` should be, of torch's own parts. The learning rate is a table: ten steps, one of them rises."""
    shares = [1.0, 9 / 9, 8 / 9, 7 / 9, 6 / 9, 5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9]
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
    network.train()
    losses = []
    for chosen in epoch_batches(rows, section, section.seed, 0) + epoch_batches(rows, section, section.seed, 1):
        documents = [torch.from_numpy(rows.take([row]).ids).long() for row in chosen]
        ids = nn.utils.rnn.pad_sequence(documents, batch_first=True)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(ids, (ids > 0).long()), torch.tensor([int(rows.labels[row]) for row in chosen]))
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] = rate * shares[len(losses)]
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_losses_and_weights_equal_those_of_a_loop_by_hand(training, make_cnn):
    twin = make_cnn()
    torch.manual_seed(5)
    want = loop_by_hand(twin, training.rows, training.section, rate=0.02, decay=0.01, clip=1.0)
    torch.manual_seed(5)
    assert [step.loss for step in fit(training)] == want
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in training.network.state_dict().items())


def test_it_learns(training):
    losses = [step.loss for step in fit(replace(training, plan=replace(training.plan, epochs=8)))]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_steps_say_where_they_are(training):
    steps = list(fit(training))
    assert [step.step for step in steps] == list(range(1, 11))
    assert {step.steps for step in steps} == {10}
    assert [step.epoch for step in steps] == [0] * 5 + [1] * 5
    assert [step.step for step in steps if step.ends_epoch] == [5, 10]


def test_steps_count_tokens_without_padding(training):
    assert sum(step.tokens for step in fit(training)) == 2 * training.rows.lengths.sum()


def test_the_learning_rate_is_the_one_that_was_used(training):
    rates = [(step.learning_rate, *(group["lr"] for group in training.optimizer.param_groups)) for step in fit(training)]
    assert [first for first, *_ in rates] == pytest.approx([0.02 * share / 9 for share in (9, 9, 8, 7, 6, 5, 4, 3, 2, 1)])
    assert all(len(set(three)) == 1 for three in rates)


def test_a_plan_that_is_shorter_than_an_epoch_cuts_it(training):
    steps = list(fit(replace(training, plan=replace(training.plan, epochs=1, steps_per_epoch=3))))
    assert [(step.step, step.steps, step.ends_epoch) for step in steps] == [(1, 3, False), (2, 3, False), (3, 3, True)]


def test_a_long_gradient_is_cut_to_the_clip_norm(training):
    training = with_sgd(training, clip_norm=0.01)
    before = weights(training.network)
    next(iter(fit(training)))
    moved = torch.cat([(tensor - before[name]).flatten() for name, tensor in training.network.state_dict().items()])
    assert moved.norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_a_short_gradient_is_left_as_it_is(training):
    clipped, free = with_sgd(training, clip_norm=1e6), with_sgd(training, clip_norm=1e9)
    start = weights(training.network)
    torch.manual_seed(1)
    list(fit(clipped))
    after = weights(training.network)
    training.network.load_state_dict(start)
    torch.manual_seed(1)
    list(fit(free))
    assert all(torch.equal(tensor, after[name]) for name, tensor in training.network.state_dict().items())


def test_frozen_weights_do_not_move(training):
    training.network.embedding.weight.requires_grad = False
    optimizer = build_optimizer(training.network, training.section.optimizer, 1e-3)
    before = weights(training.network)
    list(fit(replace(training, optimizer=optimizer)))
    after = training.network.state_dict()
    assert torch.equal(after["embedding.weight"], before["embedding.weight"])
    assert not torch.equal(after["outer.weight"], before["outer.weight"])


@pytest.mark.parametrize("start", [0, 3, 5, 7, 10])
def test_a_later_start_takes_the_steps_that_are_left(training, start):
    assert [(step.step, step.epoch) for step in fit(training, start=start)] == [(n, (n - 1) // 5) for n in range(start + 1, 11)]


def test_gradients_do_not_outlive_a_step(training):
    list(fit(training))
    assert all(parameter.grad is None for parameter in training.network.parameters())


def test_bf16_reaches_the_loss_as_fp32_scores(training):
    seen = []

    def loss(network, batch):
        scores = network(batch.ids_BS, batch.mask_BS)
        seen.append(scores.dtype)
        return cross_entropy(0.0)(network, batch)

    step = next(iter(fit(replace(training, plan=replace(training.plan, precision="bf16"), loss=loss))))
    assert seen == [torch.bfloat16]
    assert step.loss > 0
    assert {parameter.dtype for parameter in training.network.parameters()} == {torch.float32}


def test_cross_entropy_with_smoothing_is_worked_by_hand(make_cnn):
    # Smoothing moves a share of the target evenly over the classes. Szegedy et al. 2016, equation 3 below.
    network = make_cnn(dropout=0.0)
    batch = Batch(torch.tensor([[1, 4, 2], [1, 8, 2]]), torch.ones(2, 3, dtype=torch.long), torch.tensor([0, 2]), None)
    logs = torch.log_softmax(network(batch.ids_BS, batch.mask_BS), dim=1)
    target = 0.7 * torch.eye(3)[[0, 2]] + 0.3 / 3
    torch.testing.assert_close(cross_entropy(0.3)(network, batch), -(target * logs).sum(1).mean())
