import itertools

import pytest

from smelt.types import Verdict
from smelt.verify import order


def result(name, cost, lost, won, n=2000):
    return order.DevResult(name=name, cost=cost, lost=lost, won=won, n=n)


def plan(results, most=3):
    planned = order.plan_tests(results, reference_cost=1.0, n_confirm=3000, margin=0.01, confidence=0.95, most=most)
    return [one.name for one in planned]


def verdict(name, *, certified):
    return Verdict(
        certified=certified, margin_points=1.0, confidence=0.95, n=9, reference_score=None, candidate_score=None, floor_score=None,
        drop_points=None, upper_points=None, lost=None, won=None, agreement=1.0, disagreement_upper_points=1.0, p_value=0.5, method="",
        candidate=name, sentence="", data_sha256="", isa=None,
    )  # fmt: skip


SAFE, MIDDLE, BOLD = result("safe", 0.5, 2, 2), result("middle", 0.2, 12, 9), result("bold", 0.05, 22, 14)


def test_the_safest_is_tested_first_and_the_boldest_last():
    assert plan([BOLD, SAFE, MIDDLE]) == ["safe", "middle", "bold"]


def test_a_costlier_candidate_that_is_not_safer_is_left_out():
    assert plan([SAFE, result("pointless", 0.6, 30, 25)]) == ["safe"]


def test_a_candidate_as_costly_as_the_reference_is_left_out():
    assert plan([result("slow", 1.0, 0, 0)]) == []


def test_no_more_than_the_allowed_tests_are_planned():
    assert len(plan([BOLD, SAFE, MIDDLE], most=2)) == 2


def test_a_test_that_adds_nothing_is_not_spent():
    assert plan([SAFE, result("hopeless", 0.01, 90, 14)]) == ["safe"]


def test_when_all_are_hopeless_the_safest_is_tested():
    assert plan([result("worse", 0.1, 120, 3), result("better", 0.3, 90, 3)]) == ["better"]


def test_the_expected_gain_is_that_of_listing_every_outcome():
    steps = [(0.9, 1.5), (0.6, 2.0), (0.3, 5.0)]
    want = 0.0
    for passed in itertools.product([True, False], repeat=3):
        chance = 1.0
        for (share, _), one in zip(steps, passed, strict=True):
            chance *= share if one else 1 - share
        reached = list(itertools.takewhile(lambda pair: pair[0], zip(passed, steps, strict=True)))
        want += chance * (reached[-1][1][1] if reached else 0.0)
    rated = [order._Rated(result=SAFE, chance=chance, worth=worth) for chance, worth in steps]
    assert order._expected_gain(rated) == pytest.approx(want)


def test_the_sequence_stops_at_the_first_failure_and_opens_nothing_after_it():
    opened = []

    def judged():
        for name, certified in (("a", True), ("b", False), ("c", True)):
            opened.append(name)
            yield verdict(name, certified=certified)

    assert [one.candidate for one in order.fixed_sequence(judged())] == ["a", "b"]
    assert opened == ["a", "b"]


def test_the_last_certified_verdict_decides():
    reached = [verdict("a", certified=True), verdict("b", certified=True), verdict("c", certified=False)]
    assert order.decisive(reached).candidate == "b"


def test_without_a_certificate_the_safest_verdict_is_told():
    assert order.decisive([verdict("a", certified=False)]).candidate == "a"


def test_a_decision_without_tests_is_refused():
    with pytest.raises(ValueError, match="no candidate"):
        order.decisive([])
