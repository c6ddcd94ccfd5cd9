"""How far probabilities can be believed: log loss, Brier score, expected calibration error, and the temperature that mends them.

Shape letters: B examples, C classes.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

if TYPE_CHECKING:
    from numpy import floating, integer
    from numpy.typing import NDArray

_COLDEST, _HOTTEST = 0.02, 50.0


def log_loss(probabilities_BC: "NDArray[floating]", labels_B: "NDArray[integer]") -> float:
    """Return the mean negative log probability of the true class, in nats. Probabilities below the dtype's epsilon count as it."""
    true_B = _of_labels(probabilities_BC, labels_B)
    return float(-np.log(np.maximum(true_B, np.finfo(probabilities_BC.dtype).eps), dtype=np.float64).mean())


def brier(probabilities_BC: "NDArray[floating]", labels_B: "NDArray[integer]") -> float:
    """Return the mean squared distance of the probabilities from the truth, summed over classes. In [0, 2], as Brier 1950."""
    squares_B = np.square(probabilities_BC, dtype=np.float64).sum(axis=1)
    return float((squares_B - 2 * _of_labels(probabilities_BC, labels_B) + 1).mean())


def expected_calibration_error(probabilities_BC: "NDArray[floating]", labels_B: "NDArray[integer]", bins: int = 15) -> float:
    """Return the mean distance of confidence from accuracy over equally wide bins of the top confidence. Fraction.

    A bin holds its upper edge, not its lower one, as in Guo et al. 2017, equation 3.
    """
    if not len(labels_B):
        raise ValueError("no examples")
    confidences_B = probabilities_BC.max(axis=1).astype(np.float64)
    right_B = probabilities_BC.argmax(axis=1) == labels_B
    bins_B = np.clip(np.ceil(confidences_B * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bins_B, weights=confidences_B - right_B, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels_B))


def fit_temperature(scores_BC: "NDArray[floating]", labels_B: "NDArray[integer]") -> float:
    """Return the T in [0.02, 50] for which softmax(scores / T) has the least log loss. It changes no prediction.

    Args:
        scores_BC: logits, on examples that were not trained on.
        labels_B: class numbers.

    Raises:
        ValueError: no examples.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    if not len(labels_B):
        raise ValueError("no examples")
    wide_BC = scores_BC.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return -_of_labels(log_softmax(wide_BC / np.exp(log_temperature), axis=1), labels_B).mean()

    found = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _of_labels(values_BC: "NDArray[floating]", labels_B: "NDArray[integer]") -> "NDArray[floating]":
    if not len(labels_B):
        raise ValueError("no examples")
    return np.take_along_axis(values_BC, labels_B[:, None].astype(np.int64), axis=1)[:, 0]
