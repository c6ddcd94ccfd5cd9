import re

import pytest

from smelt.types import Verdict
from smelt.verify.sentence import compose


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")


def verdict(**changes):
    facts = {
        "certified": True, "margin_points": 1.0, "confidence": 0.95, "n": 3080, "reference_score": 0.9, "candidate_score": 0.898,
        "floor_score": None, "drop_points": 0.2, "upper_points": 0.6034, "lost": 31, "won": 25, "agreement": 0.97,
        "disagreement_upper_points": 3.5, "p_value": 0.01, "method": "", "candidate": "static-int8", "sentence": "", "data_sha256": "",
        "isa": None,
    }  # fmt: skip
    return Verdict(**(facts | changes))


def test_a_certificate_is_told_with_its_bound_rounded_up():
    assert compose(verdict(), borderline=False) == (
        "Certified at 95 %: `static-int8` loses at most 0.61 points of accuracy against the reference (margin 1.0), on 3,080 examples."
    )


def test_a_bound_just_below_the_margin_does_not_look_like_the_margin():
    assert "at most 0.9991 points" in compose(verdict(upper_points=0.99905), borderline=False)


def test_a_bound_below_zero_is_told_as_a_gain():
    assert "`static-int8` is at least 0.30 points of accuracy better" in compose(verdict(upper_points=-0.304), borderline=False)


def test_a_refusal_says_how_many_examples_would_decide_it():
    told = compose(verdict(certified=False, n=872, lost=24, won=20, drop_points=0.459, upper_points=1.7608), borderline=False)
    assert told.startswith("Not certified at 95 %: the loss of `static-int8` may be as large as 1.77 points of accuracy; margin 1.0")
    # (1.645 + 0.842)^2 (0.05046 - 0.00459^2) / (0.01 - 0.00459)^2 = 10,639; less 872 and rounded up.
    assert told.endswith("About 9,800 more labeled examples would decide it, if the drop stays as seen.")


def test_a_drop_beyond_the_margin_asks_for_no_more_examples():
    told = compose(verdict(certified=False, lost=80, won=20, drop_points=1.948, upper_points=2.5), borderline=False)
    assert told.endswith("It lost 1.95 points on these examples, so more of them would hardly help.")


def test_without_labels_the_changed_answers_are_told():
    told = compose(verdict(lost=None, won=None, drop_points=None), borderline=False)
    assert "without labels: `static-int8` changes at most 0.61 % of the answers, so it loses at most 0.61 points" in told


@pytest.mark.parametrize(
    ("agreement", "end"), [(0.993, "if the changes stay as seen."), (0.97, "more answers change than the margin allows.")]
)
def test_a_refusal_without_labels_says_what_would_decide_it(agreement, end):
    told = compose(verdict(certified=False, lost=None, won=None, drop_points=None, upper_points=1.2, agreement=agreement), borderline=False)
    assert told.startswith("Not certified at 95 % without labels")
    assert told.endswith(end)


def test_a_reference_that_does_not_beat_the_floor_is_told_first():
    told = compose(verdict(), borderline=False, floor_dev=0.82, reference_dev=0.81)
    assert told.startswith("The reference is no better than the floor: 81.0 % against 82.0 % on dev")


@pytest.mark.parametrize("scores", [{}, {"floor_dev": 0.8, "reference_dev": 0.81}, {"floor_dev": 0.8}])
def test_a_reference_above_the_floor_is_not_mentioned(scores):
    assert compose(verdict(), borderline=False, **scores).startswith("Certified")


def test_a_borderline_case_is_called_one():
    assert compose(verdict(), borderline=True).endswith("This is a borderline case: a second test decides otherwise.")


def test_an_unnamed_candidate_is_the_candidate():
    assert ": the candidate loses" in compose(verdict(candidate=None), borderline=False)


def test_a_name_with_braces_is_told_as_it_is():
    assert "`{x}`" in compose(verdict(candidate="{x}"), borderline=False)


@pytest.mark.parametrize("certified", [True, False])
def test_nothing_is_called_proved(certified):
    assert not re.search("pro(ved|ven|vably)|guarantee", compose(verdict(certified=certified), borderline=True))
