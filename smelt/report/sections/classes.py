"""Class by class: who gains and who loses, and what is taken for what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smelt.language import say
from smelt.markup import Column, Html, chapter, fold, join, name, note, panel, panels, table
from smelt.report import figures
from smelt.report.plots.heat import heat
from smelt.report.record import Answers, Record
from smelt.verify.bootstrap import drop_interval, joint_cells, too_few_groups
from smelt.verify.metrics.confusion import confusion, macro_f1
from smelt.verify.pairs import Paired
from smelt.verify.predictions import UNKNOWN

_SQUARE = 15
"""Most classes that a picture can show."""
_FIRST, _MOST, _PAIRS = 12, 250, 12
_BOOTSTRAPPED = 150
"""Most classes whose macro-F1 gets an interval: beyond, resampling takes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class on confirm. F1 as fractions."""

    name: str
    support: int
    reference_f1: float
    candidate_f1: float
    lost: int
    won: int

    @property
    def drop(self) -> float:
        """Reference minus candidate, in points."""
        return 100 * (self.reference_f1 - self.candidate_f1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A class taken for another."""

    true: str
    answer: str
    reference: int
    candidate: int


def classes_section(record: Record) -> Html | None:
    """Return the chapter; None without labeled predictions of both models."""
    answers = record.answers
    if answers is None or (answers.paired.labels_B == UNKNOWN).any():
        return None
    rows = class_rows(answers.paired)
    return chapter("classes", say("Class by class"), _macro(answers.paired), _rows_table(rows, answers.candidate), _confusions(answers))


def class_rows(paired: Paired) -> list[ClassRow]:
    """Return the classes that occur, the biggest loser first. Every example must have its label."""
    labels_B, classes = paired.labels_B, len(paired.names)
    right_B, still_B = paired.reference_B == labels_B, paired.candidate_B == labels_B

    def per_class(chosen_B: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(labels_B[chosen_B], minlength=classes)

    support = np.bincount(labels_B, minlength=classes)
    columns = (
        support,
        _f1(per_class(right_B), support, np.bincount(paired.reference_B, minlength=classes)),
        _f1(per_class(still_B), support, np.bincount(paired.candidate_B, minlength=classes)),
        per_class(right_B & ~still_B),
        per_class(still_B & ~right_B),
    )
    listed = zip(paired.names, *(column.tolist() for column in columns), strict=True)
    rows = [
        ClassRow(name=label, support=n, reference_f1=before, candidate_f1=after, lost=lost, won=won)
        for label, n, before, after, lost, won in listed
    ]
    return sorted((row for row in rows if row.support), key=lambda row: (-row.drop, -row.support, row.name))


def worst_confusions(paired: Paired, most: int) -> list[Confusion]:
    """Return what is most often taken for what by the two models together."""
    classes = len(paired.names)
    codes = [_wrong_pairs(paired.labels_B, side_B, classes) for side_B in (paired.reference_B, paired.candidate_B)]
    pairs, where = np.unique(np.concatenate(codes), return_inverse=True)
    before, after = (np.bincount(part, minlength=len(pairs)) for part in np.split(where, [len(codes[0])]))
    order = np.lexsort((pairs, -(before + after)))[:most]
    return [
        Confusion(
            true=paired.names[pairs[at] // classes],
            answer=paired.names[pairs[at] % classes],
            reference=int(before[at]),
            candidate=int(after[at]),
        )
        for at in order.tolist()
    ]


def _wrong_pairs(labels_B: NDArray[np.int32], answers_B: NDArray[np.int32], classes: int) -> NDArray[np.int64]:
    wrong_B = labels_B != answers_B
    return labels_B[wrong_B].astype(np.int64) * classes + answers_B[wrong_B]


def _f1(right: NDArray[np.int64], support: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    return 2 * right / np.maximum(support + predicted, 1)


def _macro(paired: Paired) -> Html | None:
    classes = len(paired.names)
    if classes > _BOOTSTRAPPED or too_few_groups(paired.groups_B):
        return None
    before, after = (float(macro_f1(confusion(paired.labels_B, side_B, classes))) for side_B in (paired.reference_B, paired.candidate_B))
    cells = joint_cells(paired.labels_B, paired.reference_B, paired.candidate_B, classes, paired.groups_B)
    found = drop_interval(cells, macro_f1, confidence=0.95, rng=np.random.default_rng(0), resamples=2000)
    return note(
        say(
            "Macro-F1, which counts every class alike: {before} for the reference, {after} for the candidate; "
            "a change of {change} points, 95 % interval {lower} to {upper} (bootstrap). An estimate, not part of the certificate.",
            before=figures.percent(before),
            after=figures.percent(after),
            change=figures.signed(-100 * found.drop),
            lower=figures.signed(-100 * found.upper),
            upper=figures.signed(-100 * found.lower),
        )
    )


def _rows_table(rows: Sequence[ClassRow], candidate: str) -> Html:
    first, rest = (rows, []) if len(rows) <= _SQUARE else (rows[:_FIRST], rows[_FIRST:_MOST])
    caption = say("F1 of each class on confirm, the biggest losers first; candidate: {candidate}", candidate=candidate)
    shown = [_table(caption, first)]
    if rest:
        title = (
            say("The other {n} classes", n=len(rest))
            if len(rows) <= _MOST
            else say("The next {n} of {total} classes", n=len(rest), total=len(rows))
        )
        shown.append(fold(title, _table(title, rest)))
    return join([*shown, note(say("F1 falls with a lost example, and also when examples of other classes are taken for this one."))])


def _table(caption: str, rows: Sequence[ClassRow]) -> Html:
    columns = [
        Column(say("class")),
        Column(say("examples"), numeric=True),
        Column(say("reference"), numeric=True, wide=True),
        Column(say("candidate"), numeric=True),
        Column(say("points"), numeric=True),
        Column(say("lost"), numeric=True, wide=True),
        Column(say("won"), numeric=True, wide=True),
    ]
    cells = (
        (
            name(row.name), figures.count(row.support), figures.percent(row.reference_f1), figures.percent(row.candidate_f1),
            figures.signed(-row.drop), row.lost, row.won,
        )
        for row in rows
    )  # fmt: skip
    return table(caption, columns, cells)


def _confusions(answers: Answers) -> Html | None:
    paired = answers.paired
    if len(paired.names) <= _SQUARE:
        return panels(_heat(paired, paired.reference_B, say("Reference")), _heat(paired, paired.candidate_B, say("Candidate")))
    worst = worst_confusions(paired, _PAIRS)
    columns = [
        Column(say("true class")),
        Column(say("taken for")),
        Column(say("reference"), numeric=True),
        Column(say("candidate"), numeric=True),
    ]
    rows = ((name(pair.true), name(pair.answer), pair.reference, pair.candidate) for pair in worst)
    return table(say("What is most often taken for what: number of confirm examples"), columns, rows) if worst else None


def _heat(paired: Paired, answers_B: NDArray[np.int32], title: str) -> Html:
    counts = confusion(paired.labels_B, answers_B, len(paired.names)).tolist()
    right = sum(counts[place][place] for place in range(len(counts)))
    alt = say("{title}: confusion table, {right} of {n} on the diagonal", title=title, right=right, n=len(paired.labels_B))
    picture = heat(counts, paired.names, (say("true class"), say("answer")), alt)
    return panel(picture, title, say("Rows add up to a class; the darker, the larger its share. Errors are shaded 2.5 times as strongly."))
