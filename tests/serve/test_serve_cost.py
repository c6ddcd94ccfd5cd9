import numpy as np
import pytest

from smelt.serve.cost import Cost


@pytest.mark.parametrize("pads", [True, False])
def test_the_cost_of_batches_is_learned(pads):
    generator, cost = np.random.default_rng(0), Cost(pads=pads)

    def true(lengths):
        tokens = len(lengths) * max(lengths) if pads else sum(lengths)
        return 2e-3 + 3e-6 * tokens + 4e-9 * len(lengths) * max(lengths) ** 2

    for _ in range(400):
        lengths = generator.integers(1, 200, size=generator.integers(1, 20)).tolist()
        cost.learn(lengths, true(lengths) * generator.uniform(0.95, 1.05))
    for lengths in ([5], [100], [20, 30, 40], [180] * 10):
        assert cost.seconds(len(lengths), max(lengths), sum(lengths)) == pytest.approx(true(lengths), rel=0.1)
    assert cost.alone(60) == cost.seconds(1, 60, 60)


def test_a_machine_that_becomes_slower_is_followed():
    cost = Cost(pads=True)
    for seconds in [0.001] * 200 + [0.01] * 300:
        cost.learn([10, 10], seconds)
    assert cost.seconds(2, 10, 20) == pytest.approx(0.01, rel=0.1)


def test_no_number_is_negative():
    cost = Cost(pads=True)
    for lengths, seconds in (([1], 0.01), ([100], 0.001), ([200], 0.0001)):
        cost.learn(lengths, seconds)
    assert min(cost.factors) >= 0
