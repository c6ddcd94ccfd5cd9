from smelt.compress.limits import breaches, nearest_miss
from smelt.recipe.compress import Limits
from smelt.types import Candidate


def candidate(name, **figures):
    return Candidate(name=name, steps=[], runtime="numpy", precision="fp32", **figures)


SLOW = candidate("slow", latency_ms_p50=4.0, latency_ms_p99=9.0, size_bytes=2_000)
FAT = candidate("fat", latency_ms_p50=1.0, latency_ms_p99=2.0, size_bytes=9_000)


def test_without_limits_nothing_is_broken():
    assert breaches(SLOW, Limits()) == []


def test_each_figure_above_its_limit_is_a_breach_the_worst_first():
    found = breaches(SLOW, Limits(latency_ms_p50=3.0, latency_ms_p99=3.0, size_bytes=2_000.0))
    assert [(breach.name, breach.value, breach.limit) for breach in found] == [("latency_ms_p99", 9.0, 3.0), ("latency_ms_p50", 4.0, 3.0)]
    assert found[0].told == "latency_ms_p99 is 9, the limit is 3"


def test_a_figure_that_was_not_measured_breaks_nothing():
    assert breaches(candidate("new"), Limits(size_bytes=1.0)) == []


def test_the_nearest_miss_is_the_candidate_with_the_smallest_worst_breach():
    assert "`fat` comes nearest: size_bytes is 9000, the limit is 6000" in nearest_miss(
        [SLOW, FAT], Limits(latency_ms_p99=4.0, size_bytes=6_000.0)
    )


def test_there_is_no_miss_where_a_candidate_keeps_the_limits():
    assert nearest_miss([SLOW, FAT], Limits(latency_ms_p99=4.0)) == ""
    assert nearest_miss([], Limits(latency_ms_p99=4.0)) == ""
