import pytest
from scipy.stats import binomtest

from smelt.report import figures
from smelt.verify.wilson import wilson


@pytest.mark.parametrize(
    ("upper", "margin", "shown"),
    [
        (0.2411, 1.0, "0.25"),
        (1.904, 1.0, "1.91"),
        (0.9999, 1.0, "0.9999"),
        (0.99999, 1.0, "0.99999"),
        (-0.301, 1.0, "−0.30"),
        (None, 1.0, "–"),
    ],
)
def test_a_bound_is_rounded_up_but_never_onto_the_margin_it_keeps(upper: float | None, margin: float, shown: str) -> None:
    assert figures.bound(upper, margin) == shown


@pytest.mark.parametrize(("value", "shown"), [(-0.001, "0.00"), (0.314, "+0.31"), (-1.5, "−1.50"), (None, "–")])
def test_points_have_a_true_sign(value: float | None, shown: str) -> None:
    assert figures.signed(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0312, "0.0312"), (0.4567, "0.46"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (15040.2, "15,040"), (0.0, "0.00")],
)
def test_about_three_digits_are_shown(value: float, shown: str) -> None:
    assert figures.significant(value) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (999, "999\u00a0B"),
        (999_600, "1.0\u00a0MB"),
        (73_640_000, "73.6\u00a0MB"),
        (438_200_000, "438\u00a0MB"),
        (8_212_000_000, "8.2\u00a0GB"),
    ],
)
def test_bytes_are_shown_in_decimal_units(number: int, shown: str) -> None:
    assert figures.size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3.71, "3.7\u00a0s"), (59.7, "1\u00a0min 0\u00a0s"), (462, "7\u00a0min 42\u00a0s"), (7320, "2\u00a0h 2\u00a0min")],
)
def test_time_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(
    ("iso", "shown"),
    [("2026-01-09T17:40:02+00:00", "2026-01-09 17:40 UTC"), ("2026-01-09T17:40:02+08:00", "2026-01-09 17:40+08:00"), ("soon", "soon")],
)
def test_a_moment_is_shown_to_the_minute(iso: str, shown: str) -> None:
    assert figures.moment(iso) == shown


@pytest.mark.parametrize(("right", "count"), [(0, 7), (7, 7), (91, 100), (1, 3)])
def test_wilson_matches_scipy(right: int, count: int) -> None:
    want = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right / count, count) == pytest.approx((want.low, want.high), abs=1e-6)
