"""Non-inferiority where rows come in groups, such as one customer's messages: rows of a group err together, so they count for less.

Shape letters: B examples, G groups.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student_t

if TYPE_CHECKING:
    from numpy import integer
    from numpy.typing import NDArray


def drop_test(loss_B: "NDArray[integer]", groups_B: "NDArray[integer]", margin: float, confidence: float) -> tuple[float, float]:
    """Return p-value and one-sided upper bound of the mean loss, by the cluster-robust t-test with G - 1 degrees of freedom.

    Args:
        loss_B: 1 where only the reference is right, -1 where only the candidate is, else 0.
        groups_B: which group each example is of, any numbers.
        margin: mean loss to reject. Fraction.
        confidence: one-sided, fraction.

    Source: Liang and Zeger 1986; for evaluations of language models Miller 2024, arXiv 2411.00640, section 2.2.
    """
    numbers_B = np.unique(groups_B, return_inverse=True)[1]
    groups, n = int(numbers_B.max()) + 1, len(loss_B)
    mean = float(loss_B.mean())
    if groups < 2:
        return 1.0, 1.0
    sums_G = np.bincount(numbers_B, weights=loss_B - mean, minlength=groups)
    error = math.sqrt(groups / (groups - 1) * float((sums_G**2).sum())) / n
    if error == 0:
        return (0.0 if mean < margin else 1.0), mean
    p_value = float(student_t.cdf((mean - margin) / error, groups - 1))
    return p_value, mean + float(student_t.ppf(confidence, groups - 1)) * error
