import pytest
import torch

from smelt.recipe.train import Train
from smelt.train.fit import Plan, cross_entropy
from smelt.train.loader import epoch_batches
from smelt.train.pace import Pace, make_plan, measure_pace, most_epochs

PACE = Pace(seconds_per_step=2.0, precision="bf16")
WHOLE = 2**31
CASES = {
    # seconds, epochs, most → epochs, steps per epoch, seconds; five batches make an epoch of ten seconds
    "auto takes at most `most`": (1000, "auto", 8, 8, WHOLE, 80),
    "auto takes the epochs that fit": (31, "auto", 8, 3, WHOLE, 30),
    "auto rounds epochs down": (29, "auto", 8, 2, WHOLE, 20),
    "auto takes one whole epoch": (11, "auto", 8, 1, WHOLE, 10),
    "auto cuts the first epoch": (7, "auto", 8, 1, 3, 6),
    "auto takes one step at least": (0.1, "auto", 8, 1, 1, 2),
    "auto of at most one epoch": (1000, "auto", 1, 1, WHOLE, 10),
    "a number is taken as it is": (0.1, 4, 8, 4, WHOLE, 40),
    "a number may be above `most`": (1000, 9, 8, 9, WHOLE, 90),
}


@pytest.mark.parametrize(("seconds", "epochs", "most", "want", "steps", "expected"), CASES.values(), ids=CASES)
def test_the_plan_fits_into_the_time(make_rows, section, seconds, epochs, most, want, steps, expected):
    rows = make_rows(23)
    assert len(epoch_batches(rows, section, section.seed, 0)) == 5
    plan = make_plan(PACE, rows, section, seconds=seconds, epochs=epochs, most=most)
    assert plan == Plan(epochs=want, steps_per_epoch=steps, precision="bf16", seconds=expected)


def test_measuring_leaves_network_and_random_state_alone(make_cnn, make_rows, section):
    network, twin = make_cnn(), make_cnn()
    state = torch.get_rng_state()
    measure_pace(network, make_rows(23), section, cross_entropy(0.0))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", {"fp32"}), ("bf16", {"bf16"}), ("auto", {"fp32", "bf16"})])
def test_only_precisions_of_the_section_are_chosen(make_cnn, make_rows, section, precision, allowed):
    section = section.model_copy(update={"precision": precision})
    pace = measure_pace(make_cnn(), make_rows(23), section, cross_entropy(0.0))
    assert pace.precision in allowed
    assert pace.seconds_per_step > 0


def test_a_single_batch_can_be_measured(make_cnn, make_rows, section):
    assert measure_pace(make_cnn(), make_rows(2), section, cross_entropy(0.0)).seconds_per_step > 0


@pytest.mark.parametrize(("seconds", "taken"), [(0.1, 6), (1.0, 4), (9.0, 3)])
def test_where_steps_are_long_fewer_are_tried_and_as_many_in_each_precision(
    make_cnn, make_rows, section, monkeypatch, seconds, taken
):  # fmt: skip
    clock, seen = [0.0], []

    def steps(training):
        seen.append(0)
        for _ in range(training.plan.steps_per_epoch):
            clock[0] += seconds
            seen[-1] += 1
            yield None

    monkeypatch.setattr("smelt.train.pace.fit", steps)
    monkeypatch.setattr("smelt.train.pace.time.perf_counter", lambda: clock[0])
    section = section.model_copy(update={"precision": "auto"})
    pace = measure_pace(make_cnn(), make_rows(23), section, cross_entropy(0.0))
    assert seen == [taken, taken]
    assert pace == Pace(pytest.approx(seconds), "fp32")


@pytest.mark.parametrize(("rows", "passes"), [(0, 8), (25_000, 8), (40_000, 5), (67_000, 3), (10**7, 3)])
def test_a_large_table_is_passed_over_fewer_times(rows, passes):
    assert most_epochs(Train(), rows) == passes
    assert most_epochs(Train(max_epochs=2), rows) == 2
