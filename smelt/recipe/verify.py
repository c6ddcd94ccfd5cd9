"""`verify:` what may be lost, and how sure we have to be."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Count, Section


class Verify(Section):
    """Non-inferiority of a candidate to the reference in accuracy, on confirm."""

    margin_points: Annotated[float, Field(gt=0, lt=100)] = 1.0
    """Percentage points of accuracy that may be lost at most."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """One-sided confidence of the certificate. Fraction."""
    candidates: Annotated[int, Field(ge=1, le=3)] = 3
    """Most candidates tested on confirm, the safest first, stopping at the first failure."""
    labels: Literal["data", "reference"] = "data"
    """What the certificate rests on: true labels (`data`), or agreement alone, where the labels are the reference's own answers."""
    bench_rounds: Count = 5
    """Alternating timing rounds of reference and choice."""
