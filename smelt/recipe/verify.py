"""`verify:` what may be lost, and how sure we have to be."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Count, Section

Points = Annotated[float, Field(gt=0, lt=100)]


class Recall(Section):
    """The share of a class's examples that are found: a floor under each class that matters. A certificate, by Tango's test."""

    kind: Literal["recall"] = "recall"
    label: Annotated[str, Field(min_length=1)] = "*"
    """The class; `*` means every class, each by itself."""
    margin_points: Points = 2.0
    """Percentage points of recall that may be lost at most."""


class MacroF1(Section):
    """F1 averaged over the classes, rare ones counting as much as frequent ones. An estimate, by the paired bootstrap."""

    kind: Literal["macro_f1"] = "macro_f1"
    margin_points: Points = 1.0
    """Percentage points that may be lost at most."""


class Auroc(Section):
    """Area under the ROC curve of each class against the rest, averaged. An estimate, by DeLong's test."""

    kind: Literal["auroc"] = "auroc"
    margin_points: Points = 1.0
    """Percentage points that may be lost at most."""


class Cost(Section):
    """What mistakes cost on average. An estimate, by the paired bootstrap."""

    kind: Literal["cost"] = "cost"
    costs: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(default={}, examples=[{"fraud": {"ok": 20.0}}])
    """Cost of an answer by true label and answer, such as `fraud: {ok: 20.0}`. A right answer costs nothing."""
    otherwise: Annotated[float, Field(ge=0)] = 1.0
    """Cost of a mistake that `costs` does not name."""
    margin: Annotated[float, Field(gt=0)] = 0.01
    """Mean cost per document that may be added at most."""


Requirement = Annotated[Recall | MacroF1 | Auroc | Cost, Field(discriminator="kind")]


class Verify(Section):
    """Non-inferiority of a candidate to the reference in accuracy, on confirm."""

    margin_points: Annotated[float, Field(gt=0, lt=100)] = 1.0
    """Percentage points of accuracy that may be lost at most."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """One-sided confidence of the certificate. Fraction."""
    candidates: Annotated[int, Field(ge=1, le=3)] = 3
    """Most candidates tested on confirm, the safest first, stopping at the first failure."""
    also: Annotated[tuple[Requirement, ...], Field(strict=False)] = ()
    """What else must not be lost: recall of classes, macro_f1, auroc, cost. All have to hold, each at full confidence."""
    labels: Literal["data", "reference"] = "data"
    """What the certificate rests on: true labels (`data`), or agreement alone, where the labels are the reference's own answers."""
    bench_rounds: Count = 5
    """Alternating timing rounds of reference and choice."""
