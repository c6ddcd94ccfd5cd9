import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from smelt.verify import tango


@st.composite
def counts(draw):
    n = draw(st.integers(1, 3000))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


margins = st.floats(0.001, 0.3)
confidences = st.floats(0.6, 0.999)


@pytest.mark.parametrize(("lost", "won", "n"), [(7, 3, 50), (0, 4, 300), (12, 30, 500)])
def test_a_margin_of_zero_is_mcnemar(lost, won, n):
    assert tango.p_value(lost, won, n, 0.0) == pytest.approx(0.5 * math.erfc(-(lost - won) / math.sqrt(lost + won) / math.sqrt(2)))


@pytest.mark.parametrize(("lost", "won", "n", "drop"), [(30, 12, 500, 0.01), (3, 9, 100, 0.05), (80, 60, 872, 0.02), (0, 4, 300, 0.01)])
def test_the_share_of_won_maximizes_the_likelihood(lost, won, n, drop):
    def unlikelihood(share):
        return -(lost * math.log(share + drop) + won * math.log(share) + (n - lost - won) * math.log(1 - 2 * share - drop))

    best = minimize_scalar(unlikelihood, bounds=(1e-12, (1 - drop) / 2 - 1e-12), method="bounded", options={"xatol": 1e-12}).x
    assert float(tango.won_share(lost, won, n, drop)) == pytest.approx(best, abs=2e-7)


def test_the_interval_is_the_published_one():
    # Fagerland, Lydersen and Laake 2014, table with 1, 1, 7, 12: lost 1, won 7 of 21.
    assert tango.interval(1, 7, 21, 0.95) == pytest.approx((-0.5172, -0.0260), abs=5e-5)


@pytest.mark.parametrize(
    ("n", "discordant", "points"),
    [(2000, 10, 0.39), (2000, 40, 0.75), (2000, 100, 1.17), (10_000, 50, 0.17), (10_000, 200, 0.33), (10_000, 500, 0.52)],
)
def test_the_upper_bound_without_a_drop_is_the_worked_one(n, discordant, points):
    assert 100 * tango.upper_bound(discordant, discordant, n, 0.95) == pytest.approx(points, abs=0.005)


def test_the_upper_bound_without_any_difference_has_a_closed_form():
    z = 1.6448536269514722
    assert tango.upper_bound(0, 0, 431, 0.95) == pytest.approx(z * z / (431 + z * z), rel=1e-12)


def test_one_point_needs_268_examples_even_without_any_difference():
    assert [tango.p_value(0, 0, n, 0.01) <= 0.05 for n in (267, 268)] == [False, True]


def test_the_p_value_is_that_of_an_independent_formula():
    lost, won, n, margin = 31, 18, 3080, 0.01
    linear = (2 * n - lost + won) * margin - lost - won
    share = (math.sqrt(linear**2 + 8 * n * won * margin * (1 - margin)) - linear) / (4 * n)
    z = (lost - won - n * margin) / math.sqrt(n * (2 * share + margin * (1 - margin)))
    assert tango.p_value(lost, won, n, margin) == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)), abs=1e-12)


@settings(deadline=None)
@given(counts(), margins)
def test_one_more_lost_example_never_lowers_the_p_value(case, margin):
    lost, won, n = case
    if lost + won < n:
        assert tango.p_value(lost + 1, won, n, margin) >= tango.p_value(lost, won, n, margin)


@settings(deadline=None)
@given(st.integers(1, 800), st.integers(0, 800), margins)
def test_the_p_value_rises_with_lost_among_fixed_discordant_pairs(n, discordant, margin):
    lost = np.arange(min(discordant, n) + 1)
    assert np.all(np.diff(tango.scores(lost, lost[::-1], n, margin)) > 0)


@settings(deadline=None)
@given(counts(), confidences)
def test_exchanging_the_models_mirrors_the_interval(case, confidence):
    lost, won, n = case
    lower, upper = tango.interval(lost, won, n, confidence)
    assert tango.interval(won, lost, n, confidence) == pytest.approx((-upper, -lower), abs=1e-9)


@settings(deadline=None)
@given(counts(), confidences)
def test_the_interval_holds_what_was_seen_and_stays_in_range(case, confidence):
    lost, won, n = case
    lower, upper = tango.interval(lost, won, n, confidence)
    assert -1 <= lower <= (lost - won) / n <= upper <= 1


@settings(deadline=None)
@given(counts(), margins, confidences)
def test_a_margin_certifies_exactly_when_it_is_above_the_upper_bound(case, margin, confidence):
    lost, won, n = case
    upper = tango.upper_bound(lost, won, n, confidence)
    if abs(upper - margin) > 1e-9:
        assert (tango.p_value(lost, won, n, margin) <= 1 - confidence) == (upper < margin)


@pytest.mark.parametrize(("lost", "won", "n", "margin"), [(-1, 0, 5, 0.1), (3, 3, 5, 0.1), (0, 0, 0, 0.1), (1, 1, 5, 1.0), (1, 1, 5, -0.1)])
def test_impossible_counts_are_refused(lost, won, n, margin):
    with pytest.raises(ValueError, match=r"cannot be|not a fraction"):
        tango.p_value(lost, won, n, margin)
