"""Which of the recipe's limits a candidate breaks."""

from collections.abc import Sequence
from dataclasses import dataclass

from smelt.language import say
from smelt.recipe.compress import Limits
from smelt.types import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One limit that a candidate exceeds."""

    name: str
    value: float
    limit: float

    @property
    def excess(self) -> float:
        """How many times the limit the value is, above 1."""
        return self.value / self.limit

    @property
    def told(self) -> str:
        """Say it in half a sentence."""
        return say("{name} is {value:.4g}, the limit is {limit:.4g}", name=self.name, value=self.value, limit=self.limit)


def breaches(candidate: Candidate, limits: Limits) -> list[Breach]:
    """Return the limits that a candidate's figures exceed, the worst first."""
    found = []
    for name in Limits.model_fields:
        limit, value = getattr(limits, name), getattr(candidate, name)
        if limit != "none" and value is not None and value > limit:
            found.append(Breach(name=name, value=float(value), limit=float(limit)))
    return sorted(found, key=lambda breach: -breach.excess)


def nearest_miss(candidates: Sequence[Candidate], limits: Limits) -> str:
    """Say which candidate came nearest to the limits, where none keeps them; nothing where one does, or there are none."""
    worst = {candidate.name: breaches(candidate, limits) for candidate in candidates}
    if not worst or not all(worst.values()):
        return ""
    name = min(worst, key=lambda one: worst[one][0].excess)
    return say("No candidate keeps compress.limits; `{name}` comes nearest: {breach}.", name=name, breach=worst[name][0].told)
