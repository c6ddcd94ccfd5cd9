"""Which candidates are tested on confirm, and in which order. Decided from dev alone, before confirm is opened."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from smelt.types import Verdict
from smelt.verify.power import predicted_pass

_ANY_CERTIFICATE = 4.0
"""Worth of certifying anything at all, in halvings of the cost: a user who gets nothing is worse off than one who gets less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevResult:
    """What dev says about one candidate."""

    name: str
    cost: float
    """In any unit, above 0, the same for all and for the reference."""
    lost: int
    """Dev examples only the reference got right."""
    won: int
    """Dev examples only the candidate got right."""
    n: int
    """Dev examples."""
    also: float = 1.0
    """Chance that it keeps what must not be lost beside accuracy. Fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A candidate chosen for confirm."""

    name: str
    predicted_pass: float
    """Predicted probability of its certificate. Fraction."""


def plan_tests(
    results: Sequence[DevResult], *, reference_cost: float, n_confirm: int, margin: float, confidence: float, most: int = 3
) -> list[Planned]:
    """Choose at most `most` candidates for confirm, the safest and costliest first, the boldest and cheapest last.

    Among all such sequences of the frontier it takes the one with the highest expected gain: each test is passed with its
    predicted probability, independently, and the last one passed before the first failure decides what ships. So a stepping
    stone is taken where it insures a bolder choice, and a bold one goes last, where its failure costs nothing.

    Args:
        results: the candidates on dev.
        reference_cost: candidates that are not below it are left out.
        n_confirm: examples of confirm.
        margin: fraction.
        confidence: one-sided, fraction.
        most: tests at most.

    Returns:
        Empty if no candidate is cheaper than the reference.
    """
    rated = [
        _Rated(
            result=result,
            chance=result.also
            * predicted_pass(result.lost, result.won, result.n, n_confirm=n_confirm, margin=margin, confidence=confidence),
            worth=worth(result.cost, reference_cost),
        )
        for result in results
        if result.cost < reference_cost
    ]
    frontier = _frontier(rated)
    sequences = (picks for size in range(1, most + 1) for picks in combinations(frontier, size))
    # Rounded, so that no test is spent on nothing: of equally good sequences the first is taken, which is the shortest and safest.
    best = max(sequences, key=lambda picks: round(_expected_gain(picks), 3), default=())
    return [Planned(name=one.result.name, predicted_pass=one.chance) for one in best]


def worth(cost: float, highest: float) -> float:
    """Return what a certificate is worth: something by itself, and one more for each halving of the highest cost."""
    return _ANY_CERTIFICATE + math.log2(highest / cost)


def fixed_sequence(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Test in the given order, each at full alpha, and stop at the first failure. Pass a generator: what is not reached is not opened.

    The probability of any false certificate stays at most alpha, however many candidates there were: the order does not depend
    on confirm, and a false certificate needs the first untrue candidate of that order to pass its own test.

    Returns:
        The verdicts reached. All but the last one are certified.

    Source: fixed sequence testing, Maurer, Hothorn and Lehmacher 1995; for model selection Laufer-Goldshtein et al., ICLR 2023.
    """
    reached: list[Verdict] = []
    for verdict in verdicts:
        reached.append(verdict)
        if not verdict.certified:
            break
    return reached


def decisive(reached: Sequence[Verdict]) -> Verdict:
    """Return the last certified verdict, which is the cheapest candidate's; where none is certified, the first.

    Raises:
        ValueError: nothing was tested.
    """
    if not reached:
        raise ValueError("no candidate was tested")
    return next((verdict for verdict in reversed(reached) if verdict.certified), reached[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rated:
    result: DevResult
    chance: float
    worth: float

    @property
    def safety(self) -> tuple[float, float]:
        """Hopeless candidates share a chance of 0; then the smaller drop is the safer one."""
        return self.chance, (self.result.won - self.result.lost) / self.result.n


def _frontier(rated: Sequence[_Rated]) -> list[_Rated]:
    """Leave out whatever a cheaper and equally safe candidate makes pointless; the costliest, which is the safest, comes first."""
    kept: list[_Rated] = []
    for one in sorted(rated, key=lambda one: (one.result.cost, [-part for part in one.safety], one.result.name)):
        if not kept or one.safety > kept[-1].safety:
            kept.append(one)
    return kept[::-1]


def _expected_gain(sequence: Sequence[_Rated]) -> float:
    """Sum what each test adds over the one before it, times the probability of passing all up to it."""
    gain, reached, before = 0.0, 1.0, 0.0
    for one in sequence:
        reached *= one.chance
        gain += reached * (one.worth - before)
        before = one.worth
    return gain
