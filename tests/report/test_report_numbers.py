"""What the sections compute, against loops and against the judge's own metrics."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from smelt.report.sections.calibration import calibration_error, group_bins
from smelt.report.sections.candidates import kind_of, ranked
from smelt.report.sections.classes import class_rows, worst_confusions
from smelt.types import Candidate
from smelt.verify.metrics.calibration import expected_calibration_error
from smelt.verify.metrics.confusion import class_scores, confusion
from smelt.verify.pairs import Paired

NAMES = ("ant", "bee", "cow", "dog", "eel")


@pytest.fixture
def paired() -> Paired:
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 4, 97).astype(np.int32)  # no example is an eel
    ours = np.where(rng.random(97) < 0.2, rng.integers(0, 5, 97), labels).astype(np.int32)
    theirs = np.where(rng.random(97) < 0.3, rng.integers(0, 5, 97), ours).astype(np.int32)
    ids = pa.array([str(row) for row in range(97)], pa.large_string())
    return Paired(names=NAMES, ids=ids, labels_B=labels, reference_B=ours, candidate_B=theirs)


def test_f1_of_classes_is_that_of_the_confusion_table(paired: Paired) -> None:
    want = {
        side: class_scores(confusion(paired.labels_B, answers, 5))
        for side, answers in (("r", paired.reference_B), ("c", paired.candidate_B))
    }
    for row in class_rows(paired):
        at = NAMES.index(row.name)
        assert (row.reference_f1, row.candidate_f1) == pytest.approx((want["r"][at].f1, want["c"][at].f1))
        assert row.support == want["r"][at].support


def test_lost_and_won_of_classes_are_counted_as_a_loop_counts_them(paired: Paired) -> None:
    for row in class_rows(paired):
        at = NAMES.index(row.name)
        sides = list(zip(paired.labels_B, paired.reference_B, paired.candidate_B, strict=True))
        assert row.lost == sum(label == at == ours != theirs for label, ours, theirs in sides)
        assert row.won == sum(label == at == theirs != ours for label, ours, theirs in sides)


def test_the_biggest_loser_comes_first_and_a_class_without_examples_not_at_all(paired: Paired) -> None:
    rows = class_rows(paired)
    assert [row.drop for row in rows] == sorted((row.drop for row in rows), reverse=True)
    assert "eel" not in {row.name for row in rows}


def test_worst_confusions_are_those_of_the_two_tables(paired: Paired) -> None:
    ours, theirs = (confusion(paired.labels_B, answers, 5) for answers in (paired.reference_B, paired.candidate_B))
    found = worst_confusions(paired, 6)
    for pair in found:
        place = NAMES.index(pair.true), NAMES.index(pair.answer)
        assert (pair.reference, pair.candidate) == (ours[place], theirs[place])
    both = ours + theirs
    np.fill_diagonal(both, 0)
    assert [pair.reference + pair.candidate for pair in found] == sorted(both.ravel().tolist(), reverse=True)[:6]


def test_no_confusion_is_no_row(paired: Paired) -> None:
    perfect = Paired(names=NAMES, ids=paired.ids, labels_B=paired.labels_B, reference_B=paired.labels_B, candidate_B=paired.labels_B)
    assert worst_confusions(perfect, 6) == []


def test_calibration_error_is_the_judges() -> None:
    rng = np.random.default_rng(2)
    scores = rng.dirichlet([0.4, 0.8, 0.3], 211)
    labels = rng.integers(0, 3, 211)
    bins = group_bins(scores.max(axis=1), scores.argmax(axis=1) == labels)
    assert calibration_error(bins) == pytest.approx(expected_calibration_error(scores, labels))
    assert sum(one.count for one in bins) == 211


def test_candidates_are_ranked_by_what_became_of_them() -> None:
    def one(name: str, latency: float | None = None, **facts: bool) -> Candidate:
        return Candidate(name=name, steps=[], runtime="numpy", precision="fp32", latency_ms_p50=latency, **facts)

    mixed = [
        one("floor"), one("broken"), one("slow", 9.0), one("quick", 2.0), one("failed", 1.0, certified=False),
        one("safe", 7.0, certified=True), one("choice", 3.0, certified=True, chosen=True), one("reference", 40.0),
    ]  # fmt: skip
    assert [candidate.name for candidate in ranked(mixed)] == ["reference", "choice", "safe", "failed", "quick", "slow", "broken", "floor"]
    assert [kind_of(candidate) for candidate in mixed[4:]] == ["failed", "passed", "chosen", "reference"]


def test_the_style_has_enough_contrast_in_both_schemes() -> None:
    style = (Path(__file__).parents[2] / "smelt/report/style.css").read_text()
    schemes = style.split("@media")
    for text in (schemes[0], schemes[1], schemes[-1]):  # light, dark, print
        colors = _colors(text)
        for ink, ground in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("soft", "raised"),
            ("yes", "yes-tint"),
            ("no", "no-tint"),
            ("yes", "paper"),
            ("no", "paper"),
        ):
            assert _contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


def _colors(text: str) -> dict[str, str]:
    return {
        part.split(":")[0].strip().removeprefix("--"): part.split(":")[1].strip()
        for part in text.replace("{", ";").split(";")
        if "--" in part and "#" in part
    }


def _contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2.1."""

    def luminance(color: str) -> float:
        channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
