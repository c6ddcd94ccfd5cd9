"""Area under the ROC curve of each class against the rest, and how far two models differ in its mean. DeLong et al. 1988.

Shape letters: B examples, C classes.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata
from scipy.stats import t as student_t

if TYPE_CHECKING:
    from numpy import float64, floating, integer
    from numpy.typing import NDArray


def auroc(scores_BC: "NDArray[floating]", labels_B: "NDArray[integer]") -> float:
    """Return the mean over the classes that occur and do not hold every example; 0.5 where there is none."""
    areas = [_area(scores_BC[:, number], labels_B == number)[0] for number in _judged(labels_B, scores_BC.shape[1])]
    return float(np.mean(areas)) if areas else 0.5


def auroc_drop(
    reference_BC: "NDArray[floating]", candidate_BC: "NDArray[floating]", labels_B: "NDArray[integer]", *,
    confidence: float, groups_B: "NDArray[integer] | None" = None,
) -> tuple[float, float]:  # fmt: skip
    """Return how much the mean area drops from reference to candidate, and its one-sided upper bound.

    Each example's pull on the areas is known in closed form, so the variance of the paired difference is that of the pulls; for two
    classes this is DeLong's test. Where examples come in G groups, the pulls of a group count as one (Obuchowski 1997), with G - 1
    degrees of freedom.

    Args:
        reference_BC: scores or probabilities, higher for a likelier class.
        candidate_BC: the same of the candidate.
        labels_B: true class numbers.
        confidence: one-sided, fraction.
        groups_B: which group each example is of, any numbers; None where examples are independent.

    Raises:
        ValueError: no class has both examples and others.
    """
    judged = _judged(labels_B, reference_BC.shape[1])
    if not judged:
        raise ValueError("one class alone has no ROC curve")
    drop, pull_B = 0.0, np.zeros(len(labels_B))
    for number in judged:
        own_B = labels_B == number
        (ours, our_pull_B), (theirs, their_pull_B) = (_area(scores_BC[:, number], own_B) for scores_BC in (reference_BC, candidate_BC))
        drop += (ours - theirs) / len(judged)
        pull_B += (our_pull_B - their_pull_B) / len(judged)
    if groups_B is None:
        return drop, drop + float(ndtri(confidence)) * _error(pull_B, np.arange(len(pull_B)))
    groups = len(np.unique(groups_B))
    return drop, drop + (float(student_t.ppf(confidence, groups - 1)) * _error(pull_B, groups_B) if groups > 1 else math.inf)


def _error(pull_B: "NDArray[float64]", groups_B: "NDArray[integer]") -> float:
    """Return the standard error of the mean pull, each group being one draw."""
    numbers_B = np.unique(groups_B, return_inverse=True)[1]
    sums_G = np.bincount(numbers_B, weights=pull_B - pull_B.mean())
    groups = len(sums_G)
    return math.sqrt(groups / (groups - 1) * float((sums_G**2).sum())) / len(pull_B) if groups > 1 else math.inf


def _judged(labels_B: "NDArray[integer]", classes: int) -> list[int]:
    counts = np.bincount(labels_B, minlength=classes)
    return [number for number in range(classes) if 0 < counts[number] < len(labels_B)]


def _area(score_B: "NDArray[floating]", own_B: "NDArray[np.bool_]") -> "tuple[float, NDArray[float64]]":
    """Return the area and each example's pull on it: its placement less the area, over its side's share of the examples."""
    positive, negative = int(own_B.sum()), int((~own_B).sum())
    rank_B, own_rank, rest_rank = rankdata(score_B), rankdata(score_B[own_B]), rankdata(score_B[~own_B])
    placement_B = np.empty(len(score_B))
    placement_B[own_B] = (rank_B[own_B] - own_rank) / negative
    placement_B[~own_B] = 1 - (rank_B[~own_B] - rest_rank) / positive
    area = float(placement_B[own_B].mean())
    share_B = np.where(own_B, positive, negative) / len(score_B)
    return area, (placement_B - area) / share_B
