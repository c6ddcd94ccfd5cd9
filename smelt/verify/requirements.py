"""What else must not be lost beside accuracy: the recall of single classes, macro-F1, the area under the ROC curve, the cost of mistakes.

All of them have to hold, and each is judged at full alpha: a candidate that breaks any one of them passes with probability alpha at
most, however many there are (intersection-union test, Berger 1982).

Shape letters: B examples, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, assert_never

import numpy as np

from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.recipe.verify import Auroc, Cost, MacroF1, Recall
from smelt.recipe.verify import Requirement as Section
from smelt.types import Requirement
from smelt.verify import clustered, tango
from smelt.verify.auroc import auroc, auroc_drop
from smelt.verify.bootstrap import Cells, Metric, drop_interval, joint_cells, too_few_groups
from smelt.verify.metrics.confusion import confusion, macro_f1
from smelt.verify.pairs import lost_and_won
from smelt.verify.power import predicted_pass, sample_size

if TYPE_CHECKING:
    from numpy import float64, int32, int64, integer
    from numpy.typing import NDArray

_SEED = 20260101
_RESAMPLES = 5_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """Two models' answers to the same labeled examples, as class numbers below C."""

    names: Sequence[str]
    """What the class numbers mean. C of them."""
    labels_B: "NDArray[int32]"
    reference_B: "NDArray[int32]"
    candidate_B: "NDArray[int32]"
    reference_BC: "NDArray[np.float32] | None"
    """Scores in the order of `names`, where the files have them."""
    candidate_BC: "NDArray[np.float32] | None"
    groups_B: "NDArray[integer] | None" = None
    """Group numbers, where rows of a group may err together."""


def judge_requirements(answers: Answers, sections: Sequence[Section], confidence: float) -> list[Requirement]:
    """Judge each requirement; one on the recall of every class becomes as many as there are classes.

    Raises:
        UsageFault: a class is named that does not occur.
        DataFault: the ROC curve is asked for, and a file has no scores.
    """
    return [found for section in sections for found in _judge(answers, section, confidence)]


def foresee(sections: Sequence[Section], counts: Mapping[str, int], confidence: float) -> list[str]:
    """Check before anything is trained that the named classes exist; say which have too few examples for what is asked of their recall.

    Args:
        sections: the requirements.
        counts: examples of confirm by label.
        confidence: one-sided.

    Raises:
        UsageFault: a class is named that has none.
    """
    found = []
    for section in sections:
        if isinstance(section, Cost):
            for name in {*section.costs, *(answer for answers in section.costs.values() for answer in answers)} - set(counts):
                _refuse_label(name, list(counts))
        if not isinstance(section, Recall):
            continue
        for name in counts if section.label == "*" else [section.label]:
            if not counts.get(name):
                _refuse_label(name, list(counts))
            least = sample_size(margin=section.margin_points / 100, confidence=confidence, drop=0.0, disagreement=0.0)
            if least is not None and counts[name] < least:
                said = say(
                    "recall of '{label}' cannot be certified within {margin:g} points on {n} rows of confirm; at least {least} are needed",
                    label=name, margin=section.margin_points, n=counts[name], least=least,
                )  # fmt: skip
                found.append(said)
    return found


def kept_chance(answers: Answers, sections: Sequence[Section], counts: Mapping[str, int], confidence: float) -> float:
    """Return how likely the requirements are kept on confirm, from answers on dev: the chance of the unlikeliest of them.

    Args:
        answers: on dev.
        sections: the requirements.
        counts: examples of confirm by label.
        confidence: one-sided.
    """
    return min((chance for section in sections for chance in _chances(answers, section, counts, confidence)), default=1.0)


def _chances(answers: Answers, section: Section, counts: Mapping[str, int], confidence: float) -> list[float]:
    """An estimate is likely kept if dev keeps it; of recall the chance of its certificate is known."""
    if isinstance(section, Recall):
        names = answers.names if section.label == "*" else [section.label]
        seen = {name: _class_counts(answers, name) for name in names}
        return [
            predicted_pass(lost, won, n, n_confirm=counts[name], margin=section.margin_points / 100, confidence=confidence)
            for name, (lost, won, n) in seen.items()
            if n and counts.get(name)
        ]
    if isinstance(section, Auroc):
        drop = 0.0
        if answers.reference_BC is not None and answers.candidate_BC is not None:
            drop = auroc(answers.reference_BC, answers.labels_B) - auroc(answers.candidate_BC, answers.labels_B)
        return [float(100 * drop < section.margin_points)]
    classes = len(answers.names)
    ours, theirs = (confusion(answers.labels_B, side_B, classes) for side_B in (answers.reference_B, answers.candidate_B))
    if isinstance(section, MacroF1):
        return [float(100 * (macro_f1(ours) - macro_f1(theirs)) < section.margin_points)]
    costs_CC = _costs(answers.names, section)
    return [float(_mean_cost(theirs, costs_CC) - _mean_cost(ours, costs_CC) < section.margin)]


def _class_counts(answers: Answers, name: str) -> tuple[int, int, int]:
    """Return lost, won and all examples of one class."""
    own_B = answers.labels_B == answers.names.index(name)
    lost, won = lost_and_won(answers.reference_B[own_B], answers.candidate_B[own_B], answers.labels_B[own_B])
    return lost, won, int(own_B.sum())


def _refuse_label(name: str, labels: Sequence[str]) -> NoReturn:
    raise UsageFault(
        say("verify.also: no example has the label '{label}'", label=name), step=say("Labels: {labels}.", labels=", ".join(labels[:10]))
    )


def _judge(answers: Answers, section: Section, confidence: float) -> list[Requirement]:
    match section:
        case Recall():
            # A class without examples has no recall; that there is none was said with the data.
            there = np.unique(answers.labels_B)
            wanted = [answers.names[int(number)] for number in there] if section.label == "*" else [section.label]
            return [_recall(answers, name, section.margin_points, confidence) for name in wanted]
        case MacroF1():
            drop, upper = _bootstrap(answers, macro_f1, confidence, worst=1.0)
            return [_estimate("macro_f1", 100 * drop, 100 * upper, section.margin_points, len(answers.labels_B))]
        case Cost():
            costs_CC = _costs(answers.names, section)
            drop, upper = _bootstrap(answers, lambda table: -_mean_cost(table, costs_CC), confidence, worst=float(costs_CC.max()))
            return [_estimate("cost", drop, upper, section.margin, len(answers.labels_B))]
        case Auroc():
            if answers.reference_BC is None or answers.candidate_BC is None:
                raise DataFault(
                    say("verify.also: auroc needs `scores` on every line of both predictions files"),
                    step=say("Let both models write their probabilities, or leave auroc out."),
                )
            drop, upper = auroc_drop(
                answers.reference_BC, answers.candidate_BC, answers.labels_B, confidence=confidence, groups_B=answers.groups_B
            )
            return [_estimate("auroc", 100 * drop, 100 * min(upper, 1.0), section.margin_points, len(answers.labels_B))]
        case _:
            assert_never(section)


def _recall(answers: Answers, name: str, margin_points: float, confidence: float) -> Requirement:
    """Tango's test on the examples of one class, where accuracy is recall; with groups the stricter of it and the cluster-robust one."""
    if name not in answers.names:
        _refuse_label(name, answers.names)
    lost, won, n = _class_counts(answers, name)
    if not n:
        return Requirement(kind="recall", label=name, margin=margin_points, drop=0.0, upper=100.0, n=0, kept=False, level="certificate")
    p_value, upper = tango.p_value(lost, won, n, margin_points / 100), tango.upper_bound(lost, won, n, confidence)
    level = "certificate"
    if answers.groups_B is not None:
        own_B = answers.labels_B == answers.names.index(name)
        right_B, still_right_B = answers.reference_B == answers.labels_B, answers.candidate_B == answers.labels_B
        loss_B, groups_B = (right_B.astype(np.int64) - still_right_B)[own_B], answers.groups_B[own_B]
        robust = clustered.drop_test(loss_B, groups_B, margin_points / 100, confidence)
        p_value, upper = max(p_value, robust[0]), max(upper, robust[1])
        level = "certificate" if len(np.unique(groups_B)) >= clustered.FEW_GROUPS else "estimate"
    return Requirement(
        kind="recall", label=name, margin=margin_points, drop=100 * (lost - won) / n, upper=100 * upper, n=n,
        kept=p_value <= 1 - confidence, level=level,
    )  # fmt: skip


def _estimate(kind: str, drop: float, upper: float, margin: float, n: int) -> Requirement:
    return Requirement(kind=kind, label=None, margin=margin, drop=drop, upper=upper, n=n, kept=upper < margin, level="estimate")


def _bootstrap(answers: Answers, metric: Metric, confidence: float, *, worst: float) -> tuple[float, float]:
    """Return drop and one-sided upper bound; the bound is the worst that can be where so few groups say little of others."""
    cells: Cells = joint_cells(answers.labels_B, answers.reference_B, answers.candidate_B, len(answers.names), answers.groups_B)
    rng = np.random.default_rng(_SEED)
    found = drop_interval(cells, metric, confidence=2 * confidence - 1, rng=rng, resamples=_RESAMPLES)
    return found.drop, worst if too_few_groups(answers.groups_B) else found.upper


def _costs(names: Sequence[str], section: Cost) -> "NDArray[float64]":
    """Return the cost of each answer (column) to each true class (row). Shape (C, C)."""
    number = {name: place for place, name in enumerate(names)}
    costs_CC = np.full((len(names), len(names)), section.otherwise)
    np.fill_diagonal(costs_CC, 0.0)
    for truth, answers in section.costs.items():
        for answer, cost in answers.items():
            if truth in number and answer in number:
                costs_CC[number[truth], number[answer]] = cost
    return costs_CC


def _mean_cost(table: "NDArray[int64]", costs_CC: "NDArray[float64]") -> "NDArray[float64]":
    counts: NDArray[integer] = table.sum(axis=(-2, -1))
    return (table * costs_CC).sum(axis=(-2, -1)) / np.maximum(counts, 1)
