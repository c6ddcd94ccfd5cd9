import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from smelt.verify import newcombe, tango

cells = st.tuples(*[st.integers(0, 400)] * 4).filter(sum)


def test_the_interval_is_the_published_one():
    # Fagerland, Lydersen and Laake 2014, table with 1, 1, 7, 12.
    assert newcombe.interval(1, 1, 7, 12, 0.95) == pytest.approx((-0.5069, -0.0256), abs=5e-5)


def test_it_agrees_with_tango_on_many_examples():
    assert newcombe.interval(9000, 200, 150, 650, 0.9) == pytest.approx(tango.interval(200, 150, 10_000, 0.9), abs=2e-4)


def test_strong_agreement_is_corrected_for_continuity():
    both, lost, won, neither = 60, 8, 3, 29
    ours, theirs = (binomtest(right, 100).proportion_ci(0.9, method="wilson") for right in (68, 63))
    phi = (60 * 29 - 8 * 3 - 100 / 2) / math.sqrt(68 * 32 * 63 * 37)
    up, down = ours.high - 0.68, 0.63 - theirs.low
    want = 0.05 + math.sqrt(up**2 - 2 * phi * up * down + down**2)
    assert newcombe.interval(both, lost, won, neither, 0.9)[1] == pytest.approx(want)


@settings(deadline=None)
@given(cells)
def test_exchanging_the_models_mirrors_the_interval(case):
    both, lost, won, neither = case
    lower, upper = newcombe.interval(both, lost, won, neither, 0.9)
    assert newcombe.interval(both, won, lost, neither, 0.9) == pytest.approx((-upper, -lower), abs=1e-12)


@settings(deadline=None)
@given(cells)
def test_the_interval_holds_what_was_seen(case):
    both, lost, won, neither = case
    lower, upper = newcombe.interval(both, lost, won, neither, 0.9)
    assert lower - 1e-12 <= (lost - won) / sum(case) <= upper + 1e-12


def test_no_examples_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        newcombe.interval(0, 0, 0, 0, 0.9)
