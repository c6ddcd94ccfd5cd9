import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from smelt.errors import DataFault, UsageFault
from smelt.verify import compare as judge
from smelt.verify import newcombe, predictions, tango


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Write two predictions files with these counts; in `other` of the neither right, the two wrong answers differ."""

    def write(both, lost, won, neither, *, other=0, labeled=True):
        folder = tmp_path_factory.mktemp("pair")
        answers = [("x", "x")] * both + [("x", "y")] * lost + [("y", "x")] * won + [("y", "z")] * other + [("y", "y")] * (neither - other)
        label = {"label": "x"} if labeled else {}
        for side, name in enumerate(("reference", "candidate")):
            rows = (json.dumps({"id": row, **label, "prediction": pair[side]}) for row, pair in enumerate(answers))
            (folder / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
        return folder / "reference.jsonl", folder / "candidate.jsonl"

    return write


def compare(paths, *, margin_points=1.0, confidence=0.95, unlabeled=False, **context):
    reference, candidate = (predictions.read(path) for path in paths)
    return judge.compare(
        reference, candidate, margin_points=margin_points, confidence=confidence, unlabeled=unlabeled, context=judge.Context(**context)
    )


def recomputed(paths, margin):
    """Count and test again from the two files, with the standard library only."""
    ours, theirs = ({row["id"]: row for row in map(json.loads, path.read_text().splitlines())} for path in paths)

    def right(row):
        return row["prediction"] == row["label"]

    lost = sum(right(ours[key]) and not right(theirs[key]) for key in ours)
    won = sum(right(theirs[key]) and not right(ours[key]) for key in ours)
    n = len(ours)
    linear = (2 * n - lost + won) * margin - lost - won
    share = (math.sqrt(max(linear**2 + 8 * n * won * margin * (1 - margin), 0)) - linear) / (4 * n)
    z = (lost - won - n * margin) / math.sqrt(n * (2 * share + margin * (1 - margin)))
    return lost, won, n, 0.5 * math.erfc(-z / math.sqrt(2))


@pytest.mark.parametrize("counts", [(2800, 31, 18, 231), (800, 9, 2, 61), (300, 0, 0, 12), (700, 0, 40, 30), (700, 45, 0, 30)])
def test_the_verdict_is_what_the_files_give_when_counted_again(pair, counts):
    paths = pair(*counts)
    verdict = compare(paths)
    lost, won, n, p_value = recomputed(paths, 0.01)
    assert (verdict.lost, verdict.won, verdict.n) == (lost, won, n)
    assert verdict.p_value == pytest.approx(p_value, abs=1e-9)
    assert verdict.certified == (p_value <= 1 - 0.95)


def test_scores_and_drop_are_those_of_the_counts(pair):
    verdict = compare(pair(61, 5, 3, 31, other=4), margin_points=9.0)
    assert (verdict.reference_score, verdict.candidate_score, verdict.drop_points) == (0.66, 0.64, 2.0)
    assert verdict.agreement == 0.88
    assert verdict.disagreement_upper_points == pytest.approx(100 * beta.ppf(0.95, 13, 88))


def test_the_upper_bound_is_tangos(pair):
    verdict = compare(pair(2800, 31, 18, 231))
    assert verdict.upper_points == pytest.approx(100 * tango.upper_bound(31, 18, 3080, 0.95))


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(0, 300), *[st.integers(0, 12)] * 3).filter(sum), st.sampled_from([0.3, 1.0, 5.0]), st.booleans())
def test_certified_is_one_fact_however_it_is_read(pair, counts, margin_points, unlabeled):
    verdict = compare(pair(*counts), margin_points=margin_points, confidence=0.9, unlabeled=unlabeled)
    assert verdict.certified == (verdict.p_value <= 1 - verdict.confidence) == (verdict.upper_points < verdict.margin_points)


def test_a_margin_at_the_bound_itself_is_one_fact_too(pair):
    paths = pair(980, 7, 5, 8)
    bound = compare(paths).upper_points
    for margin_points in (math.nextafter(bound, 0), bound, math.nextafter(bound, 2)):
        verdict = compare(paths, margin_points=margin_points)
        assert verdict.certified == (verdict.p_value <= 1 - 0.95) == (verdict.upper_points < verdict.margin_points)


def test_without_labels_only_changed_answers_count(pair):
    verdict = compare(pair(950, 3, 1, 46, other=2, labeled=False), unlabeled=True)
    assert verdict.p_value == pytest.approx(binom.cdf(6, 1000, 0.01))
    assert verdict.upper_points == verdict.disagreement_upper_points == pytest.approx(100 * beta.ppf(0.95, 7, 994))
    unknown = ("reference_score", "candidate_score", "drop_points", "lost", "won")
    assert [getattr(verdict, name) for name in unknown] == [None] * 5


def test_missing_labels_are_a_fault_with_a_way_out(pair):
    with pytest.raises(DataFault, match="9 of 9 examples have no label") as caught:
        compare(pair(5, 1, 1, 2, labeled=False))
    assert "--unlabeled" in caught.value.step


@pytest.mark.parametrize(("margin_points", "confidence"), [(0, 0.95), (100, 0.95), (math.nan, 0.95), (1, 0.5), (1, 1.0), (1, 95)])
def test_a_margin_or_confidence_out_of_range_is_a_usage_fault(pair, margin_points, confidence):
    with pytest.raises(UsageFault, match=r"got .*, want"):
        compare(pair(3, 1, 1, 1), margin_points=margin_points, confidence=confidence)


def test_what_is_known_from_elsewhere_is_passed_on(pair):
    verdict = compare(pair(30, 1, 0, 1), candidate="static", floor_score=0.5, isa="avx2")
    assert (verdict.candidate, verdict.floor_score, verdict.isa) == ("static", 0.5, "avx2")


def test_the_verdict_is_plain_json(pair):
    verdict = compare(pair(30, 1, 0, 1))
    assert json.loads(json.dumps(dataclasses.asdict(verdict))) == dataclasses.asdict(verdict)


def test_the_hash_does_not_depend_on_the_answers(pair):
    assert compare(pair(30, 1, 0, 1)).data_sha256 == compare(pair(20, 6, 5, 1)).data_sha256


def test_the_method_names_the_second_opinion(pair):
    bound = 100 * newcombe.interval(2800, 31, 18, 231, 0.9)[1]
    assert f"Newcombe's method 10 (1998) bounds the drop by {bound:.4f} points" in compare(pair(2800, 31, 18, 231)).method


def test_a_certificate_that_the_exact_test_refuses_is_called_borderline(pair):
    verdict = compare(pair(800, 4, 0, 87))
    assert verdict.certified
    assert binom.cdf(4, 891, 0.01) > 0.05
    assert f"p = {binom.cdf(4, 891, 0.01):.4f}" in verdict.method
    assert "borderline" in verdict.sentence
