import json
from collections import Counter

import numpy as np
import pytest
import torch

from smelt.recipe.train import Train
from smelt.train.evaluate import judge_classes
from smelt.train.rows import Rows
from smelt.train.session import LOG, PLAN, train
from smelt.verify.wilson import wilson

EVERY_STEP = 1e-9
"""Minutes between checkpoints."""
AT_EPOCHS = 60.0
STEPS = 15


class Interrupt(BaseException):
    """Someone pulls the plug."""


def at_step(number):
    """Hears of every step and raises at one of them."""

    def watch(step, _facts):
        if step is not None and step.step == number:
            raise Interrupt

    return watch


def at_epoch(number):
    def watch(step, facts):
        if step is None and facts["epoch"] == number:
            raise Interrupt

    return watch


def weights(job):
    return {name: tensor.detach().clone() for name, tensor in job.network.state_dict().items()}


def differing(first, second):
    return [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]


def interrupted(job, work, disk):
    with pytest.raises(Interrupt):
        train(job, work, disk)


def log_of(work):
    return [json.loads(line) for line in (work / LOG).read_text(encoding="utf-8").splitlines()]


def scores_of(progress):
    return [(entry["epoch"], entry["train_loss"], entry["dev_score"]) for entry in progress.history]


def misleading(make_rows):
    """Dev rows that get worse the better train is learned: every label is the next class's."""
    rows = make_rows(40, seed=1)
    return Rows(rows.arrays, (rows.labels + 1) % 3)


def misled(make_rows):
    """Judges by them."""
    return judge_classes(misleading(make_rows), ("up", "down", "flat"), Train())


@pytest.mark.parametrize("minutes", [EVERY_STEP, AT_EPOCHS], ids=["checkpoint at every step", "checkpoint at epochs"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_that_was_cut_at_any_step_ends_bit_for_bit_as_one_that_was_not(tmp_path, again, disk, precision, minutes):
    section = {"precision": precision, "checkpoint_minutes": minutes}
    whole = again(section)
    want = scores_of(train(whole, tmp_path / "whole", disk))
    for number in range(1, STEPS + 1):
        work = tmp_path / str(number)
        interrupted(again(section, watch=at_step(number)), work, disk)
        torch.manual_seed(1000 + number)
        resumed = again(section)
        progress = train(resumed, work, disk)
        assert (number, differing(weights(resumed), weights(whole))) == (number, [])
        assert (number, scores_of(progress)) == (number, want)


@pytest.mark.parametrize("number", range(3))
def test_a_cut_between_dev_and_checkpoint_ends_the_same(tmp_path, again, disk, number):
    whole, cut, resumed = again(), again(watch=at_epoch(number)), again()
    want = scores_of(train(whole, tmp_path / "whole", disk))
    interrupted(cut, tmp_path / "cut", disk)
    assert scores_of(train(resumed, tmp_path / "cut", disk)) == want
    assert differing(weights(resumed), weights(whole)) == []


def test_many_cuts_end_the_same(tmp_path, again, disk):
    section = {"checkpoint_minutes": EVERY_STEP}
    whole = again(section)
    train(whole, tmp_path / "whole", disk)
    for number in (3, 4, 9, 14):
        interrupted(again(section, watch=at_step(number)), tmp_path / "cut", disk)
    resumed = again(section)
    train(resumed, tmp_path / "cut", disk)
    assert differing(weights(resumed), weights(whole)) == []


def test_a_damaged_checkpoint_costs_steps_and_nothing_else(tmp_path, again, disk):
    whole, resumed = again(), again()
    train(whole, tmp_path / "whole", disk)
    interrupted(again(watch=at_step(8)), tmp_path / "cut", disk)
    newest = max((tmp_path / "cut" / "checkpoints").iterdir())
    next(newest.glob("*.safetensors")).write_bytes(b"torn")
    train(resumed, tmp_path / "cut", disk)
    assert differing(weights(resumed), weights(whole)) == []
    assert [entry["step"] for entry in log_of(tmp_path / "cut") if entry["event"] == "step"] == list(range(1, STEPS + 1))


@pytest.mark.parametrize("minutes", [EVERY_STEP, AT_EPOCHS])
@pytest.mark.parametrize("number", [1, 4, 5, 6, 12, 15])
def test_the_log_of_a_resumed_training_has_every_step_and_epoch_once(tmp_path, again, disk, number, minutes):
    section = {"checkpoint_minutes": minutes}
    interrupted(again(section, watch=at_step(number)), tmp_path, disk)
    train(again(section), tmp_path, disk)
    assert Counter((entry["event"], entry["step"]) for entry in log_of(tmp_path)) == Counter(
        [("step", step) for step in range(1, STEPS + 1)] + [("epoch", step) for step in (5, 10, 15)]
    )


def test_a_torn_line_of_the_log_is_dropped(tmp_path, again, disk):
    interrupted(again(watch=at_step(7)), tmp_path, disk)
    with (tmp_path / LOG).open("a", encoding="utf-8") as stream:
        stream.write('{"event": "step", "st')
    train(again(), tmp_path, disk)
    assert [entry["step"] for entry in log_of(tmp_path) if entry["event"] == "step"] == list(range(1, STEPS + 1))


def test_a_finished_training_is_not_done_again(tmp_path, again, disk):
    train(first := again(), tmp_path, disk)
    heard = []
    second = again(watch=lambda step, _facts: heard.append(step))
    progress = train(second, tmp_path, disk)
    assert (heard, progress.step, differing(weights(second), weights(first))) == ([], STEPS, [])


def test_a_resumed_training_keeps_to_the_plan_it_began_with(tmp_path, again, disk):
    interrupted(again(watch=at_step(2)), tmp_path, disk)
    plan = (tmp_path / PLAN).read_bytes()
    progress = train(again(epochs=1), tmp_path, disk)
    assert ((tmp_path / PLAN).read_bytes(), progress.step) == (plan, STEPS)


def test_the_caller_hears_every_step_and_every_epoch(tmp_path, again, disk):
    heard = []
    train(again(watch=lambda step, facts: heard.append(step.step if step else ("epoch", facts["epoch"]))), tmp_path, disk)
    assert heard == [*range(1, 6), ("epoch", 0), *range(6, 11), ("epoch", 1), *range(11, 16), ("epoch", 2)]


def test_the_weights_of_the_best_epoch_are_kept(tmp_path, again, disk, make_rows):
    kept = {}

    def watch(step, facts):
        if step is None:
            kept[facts["epoch"]] = weights(job)

    job = again(judge=misled(make_rows), epochs=6, watch=watch)
    progress = train(job, tmp_path, disk)
    scores = [entry["dev_score"] for entry in progress.history]
    assert progress.best_epoch == scores.index(max(scores)) < 5
    assert differing(weights(job), kept[progress.best_epoch]) == []
    assert differing(weights(job), kept[5]) != []


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_training_stops_when_dev_has_not_got_better_for_as_long_as_patience(tmp_path, again, disk, make_rows, patience):
    progress = train(again({"patience": patience}, judge=misled(make_rows), epochs=30), tmp_path, disk)
    best = int(np.argmax([entry["dev_score"] for entry in progress.history]))
    assert (progress.best_epoch, len(progress.history)) == (best, best + 1 + patience)


def test_a_training_that_stopped_early_stays_stopped(tmp_path, again, disk, make_rows):
    job = {"section": {"patience": 1}, "judge": misled(make_rows), "epochs": 30}
    first = train(again(**job), tmp_path, disk)
    assert scores_of(train(again(**job), tmp_path, disk)) == scores_of(first)


def test_a_training_that_does_not_select_takes_all_epochs_and_keeps_the_last(tmp_path, again, disk, make_rows):
    selecting = again(judge=misled(make_rows), watch=at_step(99))
    last = {}

    def watch(step, _facts):
        if step is not None and step.step == STEPS:
            last.update(weights(taking))

    taking = again({"patience": 1}, judge=misled(make_rows), selects=False, watch=watch)
    progress = train(taking, tmp_path / "taking", disk)
    train(selecting, tmp_path / "selecting", disk)
    assert (progress.step, progress.best_epoch, progress.history) == (STEPS, 2, [{"epoch": 0}, {"epoch": 1}, {"epoch": 2}])
    assert differing(weights(taking), last) == []
    assert differing(weights(taking), weights(selecting)) != []


@pytest.mark.parametrize("number", [3, 5, 10, 15])
def test_a_training_that_does_not_select_resumes_too(tmp_path, again, disk, number):
    whole, resumed = again(selects=False), again(selects=False)
    train(whole, tmp_path / "whole", disk)
    interrupted(again(selects=False, watch=at_step(number)), tmp_path / "cut", disk)
    train(resumed, tmp_path / "cut", disk)
    assert differing(weights(resumed), weights(whole)) == []


def test_an_epoch_is_judged_with_its_mean_loss_and_its_interval(tmp_path, again, disk):
    progress = train(again(), tmp_path, disk)
    losses = [entry["loss"] for entry in log_of(tmp_path) if entry["event"] == "step" and entry["epoch"] == 1]
    epoch = progress.history[1]
    assert epoch["train_loss"] == pytest.approx(np.mean(losses), abs=1e-6)
    assert (epoch["dev_low"], epoch["dev_high"]) == pytest.approx(wilson(epoch["dev_score"], 11))


def test_the_threads_of_the_section_are_taken(tmp_path, again, disk):
    train(again({"threads": 2}, epochs=1), tmp_path, disk)
    assert torch.get_num_threads() == 2
