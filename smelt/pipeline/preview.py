"""What can be known of a run before anything is trained: the data, what confirm can certify, what suits it, how long it takes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.data.answers import read_answers
from smelt.data.build import prepare
from smelt.data.dataset import Dataset, open_dataset
from smelt.data.unlabeled import read_unlabeled
from smelt.language import say
from smelt.pipeline.reach import Reach, is_certifiable, reaches, warnings_of
from smelt.recipe.model import PredictionsModel
from smelt.recipe.recipe import Recipe
from smelt.run.disk import Disk

_FEW_ROWS = 2_000
_SHORT, _LONG = 200, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Time, from a few measured steps on this data."""

    precision: str
    epochs: int
    reference_minutes: float
    total_minutes: float
    """At most: reference and students are sized to the budget; preparing, timing and verifying come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The answer of `smelt check`."""

    rows: dict[str, int]
    labels: dict[str, int]
    dropped: dict[str, int]
    bad_rows: int
    warnings: Sequence[str]
    characters: dict[str, int]
    margin_points: float
    certifiable: bool
    """Whether a student that changes a typical share of the answers and loses nothing would be certified at 80 % power."""
    reach: Sequence[Reach]
    advice: str
    estimate: Estimate | None
    """None where the packages for training are not installed."""


def preview(recipe: Recipe) -> Preview:
    """Prepare the data in a folder that goes away, and look at it.

    Args:
        recipe: with its paths resolved.

    Raises:
        SmeltError: a fault of the data.
    """
    with tempfile.TemporaryDirectory(prefix="smelt-check-") as folder:
        place = Path(folder)
        prepare(recipe.data, place / "data", place / "work", Disk())
        dataset = open_dataset(place / "data")
        if isinstance(recipe.model, PredictionsModel):
            read_answers(recipe.model, dataset)
        transfer = recipe.compress.transfer
        if transfer.path:
            read_unlabeled(Path(transfer.path), transfer.text, dataset)
        facts = dataset.facts
        return Preview(
            rows={name: split["rows"] for name, split in facts["splits"].items()},
            labels=facts["labels"],
            dropped=facts["duplicates_dropped"],
            bad_rows=facts["bad_rows"],
            warnings=warnings_of(recipe, dataset),
            characters=facts["characters"],
            margin_points=recipe.verify.margin_points,
            certifiable=is_certifiable(len(dataset.confirm), recipe.verify),
            reach=reaches(len(dataset.confirm), recipe.verify),
            advice=advice(facts),
            estimate=_estimate(recipe, dataset),
        )


def advice(facts: dict) -> str:
    """Say in one sentence which architecture suits data with these facts, and why."""
    median, labels, rows = facts["characters"]["p50"], len(facts["labels"]), facts["splits"]["train"]["rows"]
    if facts["cjk_share"] > 0.3:
        return say(
            "Mostly Chinese text: the built-in encoder reads English, so name a Chinese model folder, or train from scratch; "
            "a linear model over characters, which every run tries, is hard to beat on titles and topics."
        )
    if rows < _FEW_ROWS:
        return say(
            "Only {rows} training rows: a pretrained transformer as reference, because it brings what they cannot teach; "
            "expect int8 to win.",
            rows=rows,
        )
    if median > _LONG:
        return say(
            "Long documents (median {n} characters): a transformer for the order of arguments; a shallower int8 one is the likely winner.",
            n=median,
        )
    if labels > 2 and median <= _SHORT:
        return say(
            "{labels} labels on short texts: single words decide most of them, so a static student often matches the transformer at a "
            "hundredth of its cost.",
            labels=labels,
        )
    if labels == 2:
        return say("Two labels: often a matter of tone and negation, where word order counts; expect a shallower int8 transformer to win.")
    return say(
        "{labels} labels on texts of medium length: a transformer as reference; static, CNN and shallower students compete.", labels=labels
    )


def _estimate(recipe: Recipe, dataset: Dataset) -> Estimate | None:
    """Take a few training steps on a copy of the model to learn this machine's speed."""
    if recipe.train is None:
        return None
    try:
        from smelt.pipeline.speed import expected_plan
    except ModuleNotFoundError:
        return None
    plan = expected_plan(recipe, recipe.train, dataset)
    return Estimate(
        precision=plan.precision,
        epochs=plan.epochs,
        reference_minutes=round(plan.seconds / 60, 1),
        total_minutes=round(max(recipe.budget_minutes, plan.seconds / 60), 1),
    )
