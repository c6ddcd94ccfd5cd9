import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from smelt.verify.agreement import upper_bound
from smelt.verify.live import disagreement_bounds

SEQUENCES, LENGTH = 2000, 3000


def changed_so_far(share, seed=0):
    draws = np.random.default_rng(seed).random((SEQUENCES, LENGTH)) < share
    return np.cumsum(draws, axis=1)


@pytest.mark.parametrize("share", [0.002, 0.02, 0.3])
def test_read_after_every_text_the_bounds_hold_at_their_level(share):
    changed, n = changed_so_far(share), np.arange(1, LENGTH + 1)
    evidence = betaln(0.5 + changed, 0.5 + n - changed) - betaln(0.5, 0.5)
    refuted = evidence - changed * np.log(share) - (n - changed) * np.log1p(-share) >= -np.log(0.05)
    assert refuted.any(axis=1).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SEQUENCES)
    for row, column in ((0, 10), (5, 700), (9, LENGTH - 1)):
        bounds = disagreement_bounds(int(n[column]), int(changed[row, column]))
        assert (bounds.lower <= share <= bounds.upper) == (not refuted[row, column])


def test_a_bound_for_one_look_does_not():
    changed = changed_so_far(0.02)
    looks = range(100, LENGTH, 20)
    table = {look: np.array([upper_bound(count, look + 1, 0.95) for count in range(min(look, 150))]) for look in looks}
    wrong = np.zeros(SEQUENCES, bool)
    for look in looks:
        wrong |= table[look][changed[:, look]] < 0.02
    assert wrong.mean() > 0.1


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_the_bounds_stand_around_what_was_seen(n, share, confidence):
    changed = round(n * share)
    bounds = disagreement_bounds(n, changed, confidence=confidence)
    assert 0 <= bounds.lower <= changed / n <= bounds.upper <= 1
    wider = disagreement_bounds(n, changed, confidence=(1 + confidence) / 2)
    assert wider.lower <= bounds.lower
    assert wider.upper >= bounds.upper


def test_without_texts_nothing_is_said():
    assert (disagreement_bounds(0, 0).lower, disagreement_bounds(0, 0).upper) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "changed", "lower", "upper"), [(1000, 0, 0.0, 0.0078), (1000, 20, 0.0095, 0.0406), (10, 10, 0.623, 1.0)])
def test_how_wide_they_are(n, changed, lower, upper):
    bounds = disagreement_bounds(n, changed)
    assert bounds.lower == pytest.approx(lower, abs=0.1 * lower + 3e-3)
    assert bounds.upper == pytest.approx(upper, abs=0.1 * upper + 1e-3)
