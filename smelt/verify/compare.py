"""Judge a candidate against the reference on the same examples: two sets of predictions in, one verdict out.

A candidate passes if and only if p_value <= 1 - confidence, which is if and only if upper_points < margin_points. It is certified if
it passes and keeps every further requirement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.recipe.verify import Requirement as Section
from smelt.types import Verdict
from smelt.verify import agreement, clustered, newcombe, tango
from smelt.verify.pairs import Paired, align, data_sha256, lost_and_won
from smelt.verify.predictions import UNKNOWN, Predictions
from smelt.verify.requirements import Answers, judge_requirements
from smelt.verify.sentence import compose

if TYPE_CHECKING:
    from numpy import int64, integer
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a verdict says and asks beside what the predictions tell. Scores are fractions."""

    candidate: str | None = None
    """The candidate's name."""
    floor_score: float | None = None
    """Accuracy of the floor on the examples that are compared."""
    floor_dev: float | None = None
    """Accuracy of the floor on dev."""
    reference_dev: float | None = None
    """Accuracy of the reference on dev. If it does not beat the floor's, the sentence says so first."""
    isa: str | None = None
    """CPU flags the answers were computed with."""
    labels: Sequence[str] | None = None
    """The task's, in the order of the scores; None takes the labels that occur, sorted."""
    also: Sequence[Section] = ()
    """What else must not be lost. For `auroc` the predictions need scores."""


_NO_CONTEXT = Context()


def compare(
    reference: Predictions,
    candidate: Predictions,
    *,
    margin_points: float,
    confidence: float,
    unlabeled: bool = False,
    context: Context = _NO_CONTEXT,
) -> Verdict:
    """Test whether the candidate's accuracy is less than the margin below the reference's.

    Args:
        reference: answers of the model to match.
        candidate: answers of the model that would take its place.
        margin_points: percentage points that may be lost, in (0, 100).
        confidence: one-sided, in (0.5, 1).
        unlabeled: judge by agreement alone, without labels; scores, lost and won stay None.
        context: names and scores from elsewhere, and what else must not be lost.

    Raises:
        UsageFault: margin or confidence is out of range.
        DataFault: ids or labels of the two differ, or labels are missing.
    """
    _refuse_out_of_range(margin_points, confidence)
    paired = align(reference, candidate)
    counts = _count(paired)
    if not unlabeled:
        _refuse_unknown_labels(paired, reference)
    elif context.also:
        raise UsageFault(say("verify.also needs true labels"), step=say("Leave it out, or take verify.labels: data."))
    test = (_test_agreement if unlabeled else _test_accuracy)(counts, margin_points / 100, confidence)
    if paired.groups_B is not None:
        test = _with_groups(test, _losses(paired, unlabeled=unlabeled), paired.groups_B, margin_points / 100, confidence)
    requirements = (
        judge_requirements(_answers(paired, reference, candidate, context.labels), context.also, confidence) if context.also else []
    )
    passed = test.p_value <= 1 - confidence
    certified = passed and all(requirement.kept for requirement in requirements)
    verdict = Verdict(
        certified=certified,
        margin_points=margin_points,
        confidence=confidence,
        n=counts.n,
        reference_score=None if unlabeled else (counts.both + counts.lost) / counts.n,
        candidate_score=None if unlabeled else (counts.both + counts.won) / counts.n,
        floor_score=context.floor_score,
        drop_points=None if unlabeled else 100 * (counts.lost - counts.won) / counts.n,
        upper_points=_on_its_side(100 * test.upper, margin_points, certified=passed),
        lost=None if unlabeled else counts.lost,
        won=None if unlabeled else counts.won,
        agreement=(counts.n - counts.changed) / counts.n,
        disagreement_upper_points=100 * agreement.upper_bound(counts.changed, counts.n, confidence),
        p_value=test.p_value,
        method=test.method,
        candidate=context.candidate,
        sentence="",
        data_sha256=data_sha256(paired),
        isa=context.isa,
        requirements=requirements,
    )
    told = compose(verdict, borderline=test.borderline, floor_dev=context.floor_dev, reference_dev=context.reference_dev)
    return replace(verdict, sentence=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    n: int
    both: int
    lost: int
    won: int
    changed: int

    @property
    def neither(self) -> int:
        return self.n - self.both - self.lost - self.won


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    p_value: float
    upper: float
    method: str
    borderline: bool = False


def _count(paired: Paired) -> _Counts:
    lost, won = lost_and_won(paired.reference_B, paired.candidate_B, paired.labels_B)
    return _Counts(
        n=len(paired.labels_B),
        both=int(np.count_nonzero(paired.reference_B == paired.labels_B)) - lost,
        lost=lost,
        won=won,
        changed=int(np.count_nonzero(paired.reference_B != paired.candidate_B)),
    )


def _test_accuracy(counts: _Counts, margin: float, confidence: float) -> _Test:
    p_value = tango.p_value(counts.lost, counts.won, counts.n, margin)
    second = newcombe.interval(counts.both, counts.lost, counts.won, counts.neither, 2 * confidence - 1)[1]
    opinions = [second < margin]
    method = say(
        "Tango's score test (1998), one-sided; Newcombe's method 10 (1998) bounds the drop by {upper:.4f} points", upper=100 * second
    )
    if not counts.won:
        # Where nothing can be won the losses are binomial, and there Tango's approximation errs most: see benchmarks/certificate.
        exact = agreement.p_value(counts.lost, counts.n, margin)
        opinions.append(exact <= 1 - confidence)
        method += say("; the exact binomial test gives p = {p:.4f}", p=exact)
    certified = p_value <= 1 - confidence
    return _Test(
        p_value=p_value,
        upper=tango.upper_bound(counts.lost, counts.won, counts.n, confidence),
        method=method,
        borderline=any(opinion != certified for opinion in opinions),
    )


def _test_agreement(counts: _Counts, margin: float, confidence: float) -> _Test:
    return _Test(
        p_value=agreement.p_value(counts.changed, counts.n, margin),
        upper=agreement.upper_bound(counts.changed, counts.n, confidence),
        method=say("Exact binomial bound of the changed answers (Clopper and Pearson 1934), one-sided; labels are not used"),
    )


def _losses(paired: Paired, *, unlabeled: bool) -> "NDArray[int64]":
    """Return what each example loses: 1, 0, or -1 where it is won; without labels 1 for every changed answer. Shape (B,)."""
    if unlabeled:
        return (paired.reference_B != paired.candidate_B).astype(np.int64)
    return (paired.reference_B == paired.labels_B).astype(np.int64) - (paired.candidate_B == paired.labels_B)


def _with_groups(test: _Test, loss_B: "NDArray[int64]", groups_B: "NDArray[integer]", margin: float, confidence: float) -> _Test:
    """Let the stricter of two tests decide: one takes rows for independent, the other lets rows of a group err together."""
    p_value, upper = clustered.drop_test(loss_B, groups_B, margin, confidence)
    groups = len(np.unique(groups_B))
    method = test.method + say("; rows of {groups:,} groups: a cluster-robust t-test gives p = {p:.4f}", groups=groups, p=p_value)
    if groups < clustered.FEW_GROUPS:
        method += say("; with so few groups its error may be above its level")
    return _Test(p_value=max(test.p_value, p_value), upper=max(test.upper, upper), method=method, borderline=test.borderline)


def _answers(paired: Paired, reference: Predictions, candidate: Predictions, labels: Sequence[str] | None) -> Answers:
    """Number the classes in the order of the scores."""
    names = tuple(labels) if labels else paired.names
    number = {name: place for place, name in enumerate(names)}
    missing = sorted(set(paired.names) - set(names))
    names = (*names, *missing)
    number |= {name: len(number) + place for place, name in enumerate(missing)}
    places = np.array([number[name] for name in paired.names], np.int32)
    sides = [side.scores_BC for side in (reference, candidate)]
    fit = all(scores is not None and scores.shape[1] == len(names) for scores in sides)
    return Answers(
        names=names,
        labels_B=places[paired.labels_B],
        reference_B=places[paired.reference_B],
        candidate_B=places[paired.candidate_B],
        reference_BC=sides[0] if fit else None,
        candidate_BC=sides[1] if fit else None,
        groups_B=paired.groups_B,
    )


def _on_its_side(upper_points: float, margin_points: float, *, certified: bool) -> float:
    """Keep the rounding of a root's last digits from contradicting the p-value at the margin itself."""
    return min(upper_points, math.nextafter(margin_points, 0.0)) if certified else max(upper_points, margin_points)


def _refuse_out_of_range(margin_points: float, confidence: float) -> None:
    if not 0 < margin_points < 100:
        raise UsageFault(
            say("margin: got {margin:g}, want percentage points above 0 and below 100", margin=margin_points),
            step=say("1.0 allows the candidate to lose one answer in a hundred, net of those it wins."),
        )
    if not 0.5 < confidence < 1:
        raise UsageFault(
            say("confidence: got {confidence:g}, want a fraction above 0.5 and below 1", confidence=confidence),
            step=say("0.95 is usual: about one false certificate in twenty where the loss is the margin."),
        )


def _refuse_unknown_labels(paired: Paired, reference: Predictions) -> None:
    unknown = np.flatnonzero(paired.labels_B == UNKNOWN)
    if len(unknown):
        first = paired.ids[int(unknown[0])].as_py()
        raise DataFault(
            say(
                "{path}: {n} of {total} examples have no label, first id {id!r}",
                path=reference.path,
                n=len(unknown),
                total=len(paired.ids),
                id=first,
            ),
            step=say("Add `label` to the lines of one of the two files, or compare by agreement alone with --unlabeled."),
        )
