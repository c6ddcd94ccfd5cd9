"""Judge one predictions file against another."""

from pathlib import Path

from smelt.types import Verdict
from smelt.verify.compare import compare
from smelt.verify.predictions import read


def verify(
    reference: str | Path, candidate: str | Path, *, margin: float = 1.0, confidence: float = 0.95, unlabeled: bool = False
) -> Verdict:  # fmt: skip
    """Test whether the candidate loses less than the margin against the reference.

    Args:
        reference: predictions file, lines of `{id, label?, prediction, scores?}`.
        candidate: predictions file with the same ids.
        margin: percentage points of accuracy that may be lost.
        confidence: one-sided, fraction.
        unlabeled: judge by agreement alone (Clopper-Pearson); needs no labels.

    Raises:
        UsageFault: margin or confidence is out of range.
        DataFault: a file is not as it should be, or ids or labels differ.
    """
    return compare(
        read(Path(reference)), read(Path(candidate)), margin_points=margin, confidence=confidence, unlabeled=unlabeled
    )  # fmt: skip
