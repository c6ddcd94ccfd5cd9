import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

from smelt.verify import agreement


@pytest.mark.parametrize(
    ("margin", "most"),
    [(0.02, [1, 4, 12, 29, 83, 176]), (0.01, [0, 1, 4, 12, 38, 83]), (0.005, [None, None, 1, 4, 16, 38])],
)
def test_the_most_changed_answers_are_the_worked_ones(margin, most):
    assert [agreement.most_changed(n, margin, 0.95) for n in (300, 500, 1000, 2000, 5000, 10_000)] == most


@pytest.mark.parametrize(("margin", "n"), [(0.02, 149), (0.01, 299), (0.005, 598)])
def test_no_change_certifies_from_a_known_size(margin, n):
    assert [agreement.most_changed(size, margin, 0.95) for size in (n - 1, n)] == [None, 0]


def test_the_upper_bound_is_scipys_clopper_pearson():
    want = binomtest(7, 310, alternative="less").proportion_ci(0.95, method="exact").high
    assert agreement.upper_bound(7, 310, 0.95) == pytest.approx(want, rel=1e-9)
    assert agreement.upper_bound(7, 310, 0.95) == pytest.approx(beta.ppf(0.95, 8, 303), rel=1e-9)


def test_when_all_answers_change_the_bound_is_one():
    assert agreement.upper_bound(31, 31, 0.95) == 1.0


def test_the_p_value_is_the_binomial_tail():
    assert agreement.p_value(4, 891, 0.01) == pytest.approx(binom.cdf(4, 891, 0.01), rel=1e-12)


@settings(deadline=None)
@given(st.integers(1, 5000), st.data(), st.floats(0.001, 0.5), st.floats(0.6, 0.999))
def test_the_p_value_certifies_exactly_when_the_bound_is_below_the_margin(n, data, margin, confidence):
    changed = data.draw(st.integers(0, min(n, 60)))
    upper = agreement.upper_bound(changed, n, confidence)
    if abs(upper - margin) > 1e-9:
        assert (agreement.p_value(changed, n, margin) <= 1 - confidence) == (upper < margin)


def test_the_sample_size_has_the_power_it_was_asked_for():
    n = agreement.sample_size(0.01, 0.004, 0.95, power=0.8)
    assert 0.8 <= binom.cdf(agreement.most_changed(n, 0.01, 0.95), n, 0.004) < 0.9


def test_the_sample_size_without_changes_is_the_known_one():
    assert agreement.sample_size(0.01, 0.0, 0.95) == 299


@pytest.mark.parametrize(("n", "disagreement"), [(400, 0.01), (3_000, 0.04), (25_000, 0.002)])
def test_the_certifiable_margin_has_the_power_it_was_asked_for_and_a_smaller_one_has_not(n, disagreement):
    margin = agreement.certifiable_margin(n, disagreement=disagreement, confidence=0.95, power=0.8)
    powers = [binom.cdf(agreement.most_changed(n, near, 0.95), n, disagreement) for near in (margin * 1.0001, margin * 0.9999)]
    assert powers[1] < 0.8 <= powers[0]


def test_no_sample_is_large_enough_for_more_changes_than_the_margin():
    assert agreement.sample_size(0.01, 0.01, 0.95) is None


@pytest.mark.parametrize(("changed", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(changed, n):
    with pytest.raises(ValueError, match="cannot be"):
        agreement.upper_bound(changed, n, 0.95)
