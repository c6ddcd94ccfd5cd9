import itertools
import math

import numpy as np
import pytest
from scipy.stats import multinomial

from smelt.verify import power, tango

DISAGREEMENTS = (0.01, 0.02, 0.04, 0.06, 0.10)


@pytest.mark.parametrize(
    ("margin", "drop", "at_80", "at_90"),
    [
        (0.01, 0, [619, 1237, 2474, 3710, 6183], [857, 1713, 3426, 5139, 8564]),
        (0.01, 0.0025, [1099, 2198, 4396, 6595, 10991], [1522, 3044, 6089, 9134, 15224]),
        (0.01, 0.005, [2467, 4940, 9886, 14832, 24725], [3417, 6843, 13694, 20545, 34247]),
        (0.005, 0, [2474, 4947, 9893, 14839, 24731], [3426, 6852, 13703, 20554, 34256]),
        (0.02, 0, [155, 310, 619, 928, 1546], [215, 429, 857, 1285, 2141]),
    ],
)
def test_the_sample_sizes_are_the_worked_ones(margin, drop, at_80, at_90):
    for wanted, share in ((at_80, 0.8), (at_90, 0.9)):
        got = [power.sample_size(margin=margin, confidence=0.95, drop=drop, disagreement=psi, power=share) for psi in DISAGREEMENTS]
        assert got == wanted


def test_no_sample_is_large_enough_when_the_drop_reaches_the_margin():
    assert power.sample_size(margin=0.01, confidence=0.95, drop=0.01, disagreement=0.04) is None


def test_without_any_difference_the_sample_size_is_what_the_test_itself_needs():
    assert power.sample_size(margin=0.01, confidence=0.95, drop=0.0, disagreement=0.0) == 268


@pytest.mark.parametrize(
    ("drop", "n", "wanted"),
    [(0, 872, [0.83, 0.63, 0.42, 0.32, 0.24]), (0.0025, 5000, [1, 0.98, 0.84, 0.70, 0.51]), (0.005, 25_000, [1, 1, 0.99, 0.94, 0.80])],
)
def test_the_power_is_the_simulated_one(drop, n, wanted):
    got = [power.certificate_probability(n, margin=0.01, confidence=0.95, drop=drop, disagreement=psi) for psi in DISAGREEMENTS]
    assert got == pytest.approx(wanted, abs=0.0075)


def test_the_power_is_a_sum_over_all_outcomes():
    n, margin, drop, disagreement = 37, 0.2, 0.05, 0.25
    shares = [(disagreement + drop) / 2, (disagreement - drop) / 2, 1 - disagreement]
    want = sum(
        multinomial.pmf([lost, won, n - lost - won], n, shares)
        for lost, won in itertools.product(range(n + 1), repeat=2)
        if lost + won <= n and tango.p_value(lost, won, n, margin) <= 1 - 0.9
    )
    assert power.certificate_probability(n, margin=margin, confidence=0.9, drop=drop, disagreement=disagreement) == pytest.approx(
        want, abs=1e-10
    )


def test_without_disagreement_the_outcome_is_known():
    assert [power.certificate_probability(n, margin=0.01, confidence=0.95, drop=0.0, disagreement=0.0) for n in (267, 268)] == [0.0, 1.0]


def test_most_lost_is_the_border_found_by_counting():
    n, margin = 400, 0.03
    for discordant, most in enumerate(power.most_lost(np.arange(61), n, margin, 0.95).tolist()):
        passing = [lost for lost in range(discordant + 1) if tango.p_value(lost, discordant - lost, n, margin) <= 0.05]
        assert most == max(passing, default=-1)


@pytest.mark.parametrize(("n", "wanted"), [(872, [0.84, 1.19, 1.68, 2.06, 2.66]), (7600, [0.29, 0.40, 0.57, 0.70, 0.90])])
def test_the_certifiable_margins_are_the_worked_ones(n, wanted):
    got = [100 * power.certifiable_margin(n, disagreement=psi, confidence=0.95) for psi in DISAGREEMENTS]
    assert got == pytest.approx(wanted, abs=0.005)


def test_the_certifiable_margin_never_falls_below_what_no_difference_allows():
    z = 1.6448536269514722
    assert power.certifiable_margin(500, disagreement=0.0, confidence=0.95) == pytest.approx(z * z / (500 + z * z))


def test_more_needed_counts_only_the_further_examples():
    lost, won, n = 25, 20, 1000
    wanted = power.sample_size(margin=0.01, confidence=0.95, drop=0.005, disagreement=0.045)
    assert power.more_needed(lost, won, n, margin=0.01, confidence=0.95) == wanted - n


def test_more_examples_do_not_help_a_drop_at_the_margin():
    assert power.more_needed(15, 5, 1000, margin=0.01, confidence=0.95) is None


def test_predicted_pass_is_the_mean_over_drops_about_half_a_standard_error_worse():
    lost, won = 40.5 / 2001, 36.5 / 2001
    error = math.sqrt((lost + won - (lost - won) ** 2) / 2000)
    drops = np.random.default_rng(0).normal(lost - won + error / 2, error, 4000)
    chances = [
        power.certificate_probability(3000, margin=0.01, confidence=0.95, drop=drop, disagreement=lost + won)
        for drop in np.clip(drops, -lost - won, lost + won).tolist()
    ]
    assert power.predicted_pass(40, 36, 2000, n_confirm=3000, margin=0.01, confidence=0.95) == pytest.approx(np.mean(chances), abs=0.02)


def test_predicted_pass_is_not_certain_after_few_examples_without_a_difference():
    assert power.predicted_pass(0, 0, 50, n_confirm=3000, margin=0.01, confidence=0.95) < 0.5


def test_predicted_pass_survives_a_candidate_that_loses_everything():
    assert power.predicted_pass(7, 0, 7, n_confirm=300, margin=0.01, confidence=0.95) < 1e-6
