import pytest

from smelt.pipeline.cost import cost_of
from smelt.recipe.compress import Compress, Weighting

FACTS = {"latency_ms": 8.0, "examples_per_s": 500.0, "size_bytes": 1_234}


@pytest.mark.parametrize(
    ("minimize", "want"),
    [
        ("balanced", 4.0),  # 2 ms per document in batches, 8 ms alone: the root of 16
        ("latency", 8.0),
        ("throughput", 2.0),
        ("size", 1234.0),
    ],
)
def test_cost_is_as_worked_by_hand(minimize, want):
    assert cost_of(Compress(minimize=minimize), **FACTS) == pytest.approx(want)


@pytest.mark.parametrize(
    ("minimize", "better"),
    [
        ("balanced", {"latency_ms": 7.0}),
        ("balanced", {"examples_per_s": 600.0}),
        ("latency", {"latency_ms": 7.0}),
        ("throughput", {"examples_per_s": 600.0}),
        ("size", {"size_bytes": 1_000}),
    ],
)
def test_what_is_minimized_lowers_the_cost(minimize, better):
    assert cost_of(Compress(minimize=minimize), **(FACTS | better)) < cost_of(Compress(minimize=minimize), **FACTS)


@pytest.mark.parametrize(
    ("minimize", "other"),
    [
        ("balanced", {"size_bytes": 1}),
        ("latency", {"examples_per_s": 1.0, "size_bytes": 1}),
        ("throughput", {"latency_ms": 1.0, "size_bytes": 1}),
        ("size", {"latency_ms": 1.0, "examples_per_s": 1.0}),
    ],
)
def test_what_is_not_minimized_counts_for_nothing(minimize, other):
    assert cost_of(Compress(minimize=minimize), **(FACTS | other)) == cost_of(Compress(minimize=minimize), **FACTS)


def test_a_weighted_price_trades_size_for_latency():
    section = Compress(minimize="weighted", weighting=Weighting(latency=1.0, throughput=0.0, size=0.5))
    # Half the latency for four times the size costs the same.
    assert cost_of(section, **(FACTS | {"latency_ms": 4.0, "size_bytes": 4 * 1_234})) == pytest.approx(cost_of(section, **FACTS))
