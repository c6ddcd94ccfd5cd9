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

_FINE = 1e-9
FEW_GROUPS = 200
"""Below it the error of this test was seen above its level: see benchmarks/certificate."""


def drop_test(loss_B: "NDArray[integer]", groups_B: "NDArray[integer]", margin: float, confidence: float) -> tuple[float, float]:
    """Return p-value and one-sided upper bound of the mean loss, by a cluster-robust t-test with G - 1 degrees of freedom.

    A few groups that lose much make the groups' sums skewed, and the plain t-test too ready to certify: it is corrected for skewness.

    Args:
        loss_B: 1 where only the reference is right, -1 where only the candidate is, else 0.
        groups_B: which group each example is of, any numbers.
        margin: mean loss to reject. Fraction.
        confidence: one-sided, fraction.

    Source: Liang and Zeger 1986; for evaluations of language models Miller 2024, arXiv 2411.00640, section 2.2; the correction is
    Johnson's, 1978, equation 2.6.
    """
    numbers_B = np.unique(groups_B, return_inverse=True)[1]
    groups, n = int(numbers_B.max()) + 1, len(loss_B)
    mean = float(loss_B.mean())
    if groups < 2:
        return 1.0, 1.0
    sums_G = np.bincount(numbers_B, weights=loss_B - mean, minlength=groups)
    spread = float(np.sqrt((sums_G**2).mean()))
    if spread == 0:
        return (0.0 if mean < margin else 1.0), mean
    error = math.sqrt(groups / (groups - 1)) * spread * math.sqrt(groups) / n
    skewness = max(0.0, float((sums_G**3).mean()) / spread**3)

    def p_value(at: float) -> float:
        t = (mean - at) / error
        if skewness:
            t = max(t, -1.5 * math.sqrt(groups) / skewness)  # where the correction turns back
        return float(student_t.cdf(t + skewness / (6 * math.sqrt(groups)) * (1 + 2 * t * t), groups - 1))

    low, high = mean, 1.0
    while high - low > _FINE:
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(middle) <= 1 - confidence else (middle, high)
    return p_value(margin), high
