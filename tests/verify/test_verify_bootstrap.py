import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from smelt.verify import tango
from smelt.verify.bootstrap import drop_interval, joint_cells
from smelt.verify.metrics.confusion import accuracy, macro_f1

B, C = 180, 3


@pytest.fixture
def answers():
    rng = np.random.default_rng(5)
    labels = rng.choice(C, size=B, p=[0.6, 0.3, 0.1])
    reference = np.where(rng.random(B) < 0.1, rng.integers(0, C, B), labels)
    return labels, reference, np.where(rng.random(B) < 0.08, rng.integers(0, C, B), reference)


def test_the_drop_is_that_of_sklearn(answers):
    labels, reference, candidate = answers
    want = f1_score(labels, reference, average="macro") - f1_score(labels, candidate, average="macro")
    got = drop_interval(joint_cells(*answers, C), macro_f1, confidence=0.9, rng=np.random.default_rng(0), resamples=50)
    assert got.drop == pytest.approx(want)


def crowding(table):
    """A metric that resampling shifts: the mean square of the counts."""
    return np.square(table).mean(axis=(-2, -1)) / 100


def f1_of(cells):
    return np.mean([2 * cells[k, k] / (cells[k].sum(axis=0) + cells[:, k].sum(axis=0)) for k in range(C)], axis=0)


def crowding_of(cells):
    return (cells**2).mean(axis=(0, 1)) / 100


@pytest.mark.parametrize(("metric", "same", "within"), [(macro_f1, f1_of, 0.003), (crowding, crowding_of, 0.03)])
def test_the_interval_is_scipys_bca_over_single_examples(answers, metric, same, within):
    def score(labels, predictions, axis):
        return same(np.array([[((labels == row) & (predictions == column)).sum(axis) for column in range(C)] for row in range(C)]))

    def drop(labels, reference, candidate, axis):
        return score(labels, reference, axis) - score(labels, candidate, axis)

    want = stats.bootstrap(answers, drop, n_resamples=6000, paired=True, confidence_level=0.9, rng=np.random.default_rng(1))
    got = drop_interval(joint_cells(*answers, C), metric, confidence=0.9, rng=np.random.default_rng(2), resamples=6000)
    assert (got.lower, got.upper) == pytest.approx(tuple(want.confidence_interval), abs=within)


def test_with_groups_the_interval_is_scipys_bca_over_groups(answers):
    of_group = np.random.default_rng(4).integers(0, 40, B)  # 40 groups of unlike size
    answers = tuple(np.concatenate([side, side, side]) for side in answers)  # three alike: a group errs together
    groups = np.tile(of_group, 3)
    labels, reference, candidate = answers
    tables = [[((groups == g) & (labels == row)) for row in range(C)] for g in range(40)]

    def counts(side):
        return np.array([[[(own & (side == column)).sum() for column in range(C)] for own in rows] for rows in tables])

    ours, theirs = counts(reference), counts(candidate)

    def drop(chosen, axis):
        summed = [np.moveaxis(side[chosen].sum(axis=-3), (-2, -1), (0, 1)) for side in (ours, theirs)]
        return f1_of(summed[0]) - f1_of(summed[1])

    want = stats.bootstrap((np.arange(40),), drop, n_resamples=6000, confidence_level=0.9, rng=np.random.default_rng(1))
    grouped = drop_interval(joint_cells(*answers, C, groups), macro_f1, confidence=0.9, rng=np.random.default_rng(2), resamples=6000)
    alone = drop_interval(joint_cells(*answers, C), macro_f1, confidence=0.9, rng=np.random.default_rng(2), resamples=6000)
    assert (grouped.lower, grouped.upper) == pytest.approx(tuple(want.confidence_interval), abs=0.007)
    assert grouped.upper - grouped.lower > 1.4 * (alone.upper - alone.lower)


def test_for_accuracy_it_is_close_to_tango():
    labels = np.zeros(4000, dtype=int)
    reference, candidate = labels.copy(), labels.copy()
    reference[:90], candidate[60:200] = 1, 1
    got = drop_interval(joint_cells(labels, reference, candidate, 2), accuracy, confidence=0.9, rng=np.random.default_rng(3))
    assert (got.lower, got.upper) == pytest.approx(tango.interval(110, 60, 4000, 0.9), abs=5e-4)


def test_the_seed_decides_the_interval(answers):
    cells = joint_cells(*answers, C)
    one, two = (drop_interval(cells, macro_f1, confidence=0.9, rng=np.random.default_rng(7), resamples=99) for _ in range(2))
    assert one == two


def test_models_that_never_differ_have_no_drop_and_no_width(answers):
    labels, reference, _ = answers
    got = drop_interval(joint_cells(labels, reference, reference, C), macro_f1, confidence=0.9, rng=np.random.default_rng(0), resamples=50)
    assert (got.drop, got.lower, got.upper) == (0, 0, 0)


@pytest.mark.parametrize("labels", [[0, -1], [0, 3], []])
def test_unknown_labels_are_refused(labels):
    labels = np.array(labels, dtype=int)
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        joint_cells(labels, np.zeros_like(labels), np.zeros_like(labels), 3)
