"""What confirm can certify, and what is worth knowing of data and recipe before anything is trained."""

from dataclasses import dataclass

from smelt.data.dataset import Dataset
from smelt.language import say
from smelt.recipe.recipe import Recipe
from smelt.recipe.verify import Verify
from smelt.verify import agreement, power
from smelt.verify.requirements import foresee

_DISAGREEMENTS = (0.01, 0.02, 0.04, 0.06, 0.10)
_TYPICAL = 0.04
"""Share of changed answers of a good distilled student."""
_POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What confirm can certify if this share of the answers changes and nothing is lost, at 80 % power."""

    disagreement: float
    """Fraction."""
    certifiable_points: float
    """Smallest margin, percentage points."""
    needed_rows: int | None
    """Confirm rows for the recipe's margin; None if it cannot be reached."""


def reaches(rows: int, section: Verify) -> list[Reach]:
    """Return what so many rows of confirm certify at several shares of changed answers."""
    return [reach(rows, share, section) for share in _DISAGREEMENTS]


def is_certifiable(rows: int, section: Verify) -> bool:
    """Say whether a student that changes a typical share of the answers and loses nothing would be certified at 80 % power."""
    return _typical(rows, section).certifiable_points <= section.margin_points


def reach(rows: int, disagreement: float, section: Verify) -> Reach:
    """Return what so many rows of confirm certify. Without true labels every changed answer counts as a lost one."""
    margin, confidence = section.margin_points / 100, section.confidence
    if section.labels == "reference":
        points = agreement.certifiable_margin(rows, disagreement=disagreement, confidence=confidence, power=_POWER)
        needed = agreement.sample_size(margin, disagreement, confidence, _POWER)
    else:
        points = power.certifiable_margin(rows, disagreement=disagreement, confidence=confidence, power=_POWER)
        needed = power.sample_size(margin=margin, confidence=confidence, drop=0.0, disagreement=disagreement, power=_POWER)
    return Reach(disagreement=disagreement, certifiable_points=100 * points, needed_rows=needed)


def warnings_of(recipe: Recipe, dataset: Dataset) -> list[str]:
    """Return what is worth knowing of the data, and which classes have too few rows for what the recipe asks of their recall.

    Raises:
        UsageFault: the recipe names a class that confirm does not have.
    """
    return [
        *dataset.facts["warnings"],
        *foresee(recipe.verify.also, dataset.facts["splits"]["confirm"]["labels"], recipe.verify.confidence),
    ]


def foretold(recipe: Recipe, dataset: Dataset) -> list[str]:
    """Return what a run says before it trains: `warnings_of`, and that confirm is small for the margin, if it is."""
    rows, section = len(dataset.confirm), recipe.verify
    told = warnings_of(recipe, dataset)
    if not is_certifiable(rows, section):
        told.append(
            say(
                "confirm has {n:,} rows: they certify {points:.2f} points where {share:.0%} of the answers change, and the margin is "
                "{margin:g}; the run goes on, and may end without a certificate",
                n=rows, points=_typical(rows, section).certifiable_points, share=_TYPICAL, margin=section.margin_points,
            )
        )  # fmt: skip
    return told


def _typical(rows: int, section: Verify) -> Reach:
    return reach(rows, _TYPICAL, section)
