"""Judge one predictions file against another."""

from collections.abc import Sequence
from pathlib import Path

from smelt.recipe.verify import Auroc, Requirement
from smelt.types import Verdict
from smelt.verify.compare import Context, compare
from smelt.verify.predictions import read


def verify(
    reference: str | Path, candidate: str | Path, *, margin: float = 1.0, confidence: float = 0.95, unlabeled: bool = False,
    also: Sequence[Requirement] = (),
) -> Verdict:  # fmt: skip
    """Test whether the candidate loses less than the margin against the reference.

    Args:
        reference: predictions file, lines of `{id, label?, prediction, scores?}`.
        candidate: predictions file with the same ids.
        margin: percentage points of accuracy that may be lost.
        confidence: one-sided, fraction.
        unlabeled: judge by agreement alone (Clopper-Pearson); needs no labels.
        also: what else must not be lost, as `verify.also` of a recipe.

    Raises:
        UsageFault: margin or confidence is out of range.
        DataFault: a file is not as it should be, or ids or labels differ.
    """
    scored = any(isinstance(one, Auroc) for one in also)
    files = (read(Path(path), scores=scored) for path in (reference, candidate))
    return compare(*files, margin_points=margin, confidence=confidence, unlabeled=unlabeled, context=Context(also=also))
