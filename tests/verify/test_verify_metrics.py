import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as sklearn

from smelt.verify.metrics import calibration, confusion

B, C = 211, 4


@pytest.fixture
def labels():
    return np.random.default_rng(3).choice(C, size=B, p=[0.5, 0.3, 0.15, 0.05])


@pytest.fixture
def scores(labels):
    return np.random.default_rng(4).normal(size=(B, C)) + 1.5 * np.eye(C)[labels]


@pytest.fixture
def predictions(scores):
    return scores.argmax(axis=1)


def test_the_confusion_table_has_true_classes_as_rows(labels, predictions):
    np.testing.assert_array_equal(confusion.confusion(labels, predictions, C), sklearn.confusion_matrix(labels, predictions))


def test_accuracy_is_sklearns(labels, predictions):
    got = confusion.accuracy(confusion.confusion(labels, predictions, C))
    assert float(got) == pytest.approx(sklearn.accuracy_score(labels, predictions))


def test_macro_f1_is_sklearns(labels, predictions):
    got = confusion.macro_f1(confusion.confusion(labels, predictions, C))
    assert float(got) == pytest.approx(sklearn.f1_score(labels, predictions, average="macro"))


def test_macro_f1_leaves_out_a_class_that_never_occurs(labels, predictions):
    got = confusion.macro_f1(confusion.confusion(labels, predictions, C + 2))
    assert float(got) == pytest.approx(sklearn.f1_score(labels, predictions, average="macro"))


def test_macro_f1_counts_a_class_that_is_only_predicted():
    labels, predictions = np.array([0, 0, 1]), np.array([0, 2, 1])
    want = sklearn.f1_score(labels, predictions, average="macro", zero_division=0)
    assert float(confusion.macro_f1(confusion.confusion(labels, predictions, 3))) == pytest.approx(want)


def test_many_tables_give_many_numbers(labels, predictions):
    tables = np.stack([confusion.confusion(labels[:k], predictions[:k], C) for k in (30, 100, B)])
    np.testing.assert_allclose(confusion.macro_f1(tables), [float(confusion.macro_f1(table)) for table in tables])
    np.testing.assert_allclose(confusion.accuracy(tables), [float(confusion.accuracy(table)) for table in tables])


def test_class_scores_are_sklearns(labels, predictions):
    want = np.transpose(sklearn.precision_recall_fscore_support(labels, predictions))
    got = [[one.precision, one.recall, one.f1, one.support] for one in confusion.class_scores(confusion.confusion(labels, predictions, C))]
    np.testing.assert_allclose(got, want)


def test_a_class_number_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 2\)"):
        confusion.confusion(np.array([0, 2]), np.array([0, 1]), 2)


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="labels"):
        confusion.confusion(np.array([0, 1]), np.array([0]), 2)


def test_log_loss_is_sklearns(labels, scores):
    probabilities = softmax(scores, axis=1)
    assert calibration.log_loss(probabilities, labels) == pytest.approx(sklearn.log_loss(labels, probabilities))


def test_log_loss_of_a_sure_mistake_is_finite():
    probabilities = np.array([[1.0, 0.0], [0.25, 0.75]])
    want = sklearn.log_loss([1, 1], probabilities, labels=[0, 1])
    assert calibration.log_loss(probabilities, np.array([1, 1])) == pytest.approx(want)


def test_brier_is_sklearns(labels, scores):
    probabilities = softmax(scores, axis=1)
    assert calibration.brier(probabilities, labels) == pytest.approx(sklearn.brier_score_loss(labels, probabilities, scale_by_half=False))


def test_the_calibration_error_is_that_of_a_loop_over_bins(labels, scores):
    probabilities = softmax(scores, axis=1)
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    want = 0.0
    for index in range(15):
        inside = (confidences > index / 15) & (confidences <= (index + 1) / 15)
        if inside.any():
            want += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    assert calibration.expected_calibration_error(probabilities, labels) == pytest.approx(want)


def test_the_calibration_error_of_two_bins_is_the_one_worked_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]])
    # Bin (0.5, 1]: confidence 1.6, right 1; bin (0, 0.5]: confidence 0.5, right 1. (0.6 + 0.5) / 3.
    assert calibration.expected_calibration_error(probabilities, np.array([0, 1, 0]), bins=2) == pytest.approx(1.1 / 3)


def test_the_temperature_has_the_least_loss_of_a_grid(labels, scores):
    best = calibration.fit_temperature(3 * scores, labels)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 2001))
    losses = [calibration.log_loss(softmax(3 * scores / temperature, axis=1), labels) for temperature in grid]
    assert best == pytest.approx(grid[int(np.argmin(losses))], rel=0.004)


def test_scaling_the_scores_scales_the_temperature(labels, scores):
    once, thrice = calibration.fit_temperature(scores, labels), calibration.fit_temperature(3 * scores, labels)
    assert thrice == pytest.approx(3 * once, rel=1e-4)


def test_scores_that_are_always_right_give_a_temperature_in_range():
    assert 0.02 <= calibration.fit_temperature(10 * np.eye(3), np.arange(3)) <= 50


@pytest.mark.parametrize(
    "metric", [calibration.log_loss, calibration.brier, calibration.expected_calibration_error, calibration.fit_temperature]
)
def test_no_examples_are_refused(metric):
    with pytest.raises(ValueError, match="no examples"):
        metric(np.zeros((0, 3)), np.zeros(0, dtype=int))


def test_the_classification_report_is_sklearns(labels, predictions):
    names = ["oil", "rates, cut", "央行", "a"]
    want = sklearn.classification_report(labels, predictions, target_names=names, digits=4)
    assert confusion.classification_report(confusion.confusion(labels, predictions, C), names).split() == want.split()


def test_the_classification_report_leaves_out_a_class_that_never_occurs(labels, predictions):
    names = ["a", "b", "c", "d", "never"]
    want = sklearn.classification_report(labels, predictions, target_names=names[:C], digits=4)
    assert confusion.classification_report(confusion.confusion(labels, predictions, C + 1), names).split() == want.split()
