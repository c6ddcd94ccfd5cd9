"""The search: legal layouts, the best of them, and why the others lost."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smelt.errors import UsageFault
from smelt.plan.answer import answer
from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants
from smelt.plan.document import document
from smelt.plan.hardware import find
from smelt.plan.layout import Layout, Work
from smelt.plan.legal import divisors, faults, layouts
from smelt.plan.memory import Fit
from smelt.plan.question import Question
from smelt.plan.search import plan_of, search
from smelt.plan.section import runnable, section_of
from smelt.plan.shape import Shape
from smelt.recipe.parallel import Parallel

SMALL = Shape(layers=12, hidden=768, heads=12, kv_heads=12, head_width=64, ffn=3072, vocab=50257)
LLAMA70 = Shape(
    layers=80, hidden=8192, heads=64, kv_heads=8, head_width=128, ffn=28672, vocab=128256, gated=True, tied=False, norm_weights=1,
    bias=False, qkv_bias=False,
)  # fmt: skip


def question(shape: Shape = SMALL, *, count: int = 8, batch: int = 64, sequence: int = 1024, accelerator: str = "H100") -> Question:
    return Question(
        shape=shape, work=Work(sequence=sequence, batch=batch), cluster=Cluster(accelerator=find(accelerator), count=count), steps=1000
    )


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 64), batch=st.sampled_from([1, 12, 64, 96]), sequence=st.sampled_from([512, 8192]))
def test_every_layout_is_legal_and_none_comes_twice(count: int, batch: int, sequence: int) -> None:
    work = Work(sequence=sequence, batch=batch)
    found = list(layouts(SMALL, work, count, fixed={}, flash=True))
    assert len(found) == len(set(found))
    assert not [layout for layout in found if faults(layout, SMALL, work, count)]


def test_the_best_is_the_fastest_that_fits() -> None:
    asked = question(LLAMA70, count=64, batch=256, sequence=4096)
    found = search(asked, Constants())
    assert found.best is not None
    every = [plan_of(found.estimator, layout) for layout in layouts(LLAMA70, asked.work, 64, fixed={}, flash=True)]
    assert found.best.seconds == min(plan.seconds for plan in every if plan.fit in (Fit.FITS, Fit.LIKELY))


def test_a_published_recipe_is_found_again() -> None:
    """Llama 3.1 70B on 1,024 H100: NVIDIA's dgxc-benchmarking v25.01 runs TP4 PP4 CP2 VP5, 14.92 s at twice the batch."""
    asked = question(LLAMA70, count=1024, batch=2048, sequence=8192)
    found = search(asked, Constants())
    assert found.best is not None
    best = found.best.layout
    assert (best.tensor, best.pipeline, best.context, best.data) == (4, 4, 2, 32)
    assert found.best.seconds == pytest.approx(14.92, rel=0.1)


def test_others_lost_for_a_reason() -> None:
    found = search(question(LLAMA70, count=64, batch=256, sequence=4096), Constants())
    assert found.lost
    assert all(each.reason and each.plan.seconds >= 0 for each in found.lost)
    assert found.too_large > 0


def test_what_fits_nowhere_has_no_best_but_a_leanest() -> None:
    found = search(question(LLAMA70, count=1, batch=8), Constants())
    assert found.best is None
    assert found.leanest.fullest.total > 85e9


def test_no_legal_layout_is_told_with_legal_values() -> None:
    with pytest.raises(UsageFault, match="no layout of 13 accelerators is legal"):
        search(question(count=13), Constants())
    with pytest.raises(UsageFault, match="want one of 1, 2, 3, 4, 6, 12"):
        search(replace(question(), fixed={"tensor": 8}), Constants())


def test_what_is_given_is_kept() -> None:
    found = search(replace(question(), fixed={"tensor": 2, "micro_batch": 4}), Constants())
    assert found.best is not None
    assert (found.best.layout.tensor, found.best.layout.micro_batch) == (2, 4)


def test_twice_the_memory_never_slows_the_best() -> None:
    asked = question(LLAMA70, count=64, batch=256, sequence=4096)
    larger = replace(asked.cluster.accelerator, memory_gb=2 * asked.cluster.accelerator.memory_gb)
    small, large = (
        search(asked, Constants()).best,
        search(replace(asked, cluster=replace(asked.cluster, accelerator=larger)), Constants()).best,
    )
    assert small
    assert large
    assert large.seconds <= small.seconds


def test_the_answer_names_cheapest_smallest_and_pareto() -> None:
    asked = replace(question(LLAMA70, count=256, batch=1024, sequence=4096), steps=1000, deadline_hours=20.0)
    found = answer(asked, Constants(), what_if=True)
    within = [offer for offer in found.offers if offer.hours <= 20.0]
    assert found.cheapest
    assert found.smallest
    assert found.cheapest.accelerator_hours == min(offer.accelerator_hours for offer in within)
    assert found.smallest.count == min(offer.count for offer in within)
    for offer in found.pareto:
        assert not [o for o in found.offers if o.hours < offer.hours and o.accelerator_hours < offer.accelerator_hours]
    names = [each.name for each in found.what_if]
    assert "fp8" in names
    assert len(names) == len(set(names))
    quicker = {each.name: each.share for each in found.what_if}
    assert quicker["twice the accelerators"] is not None
    assert quicker["twice the accelerators"] < 1.0
    assert document(found)["best"]


@pytest.mark.parametrize(
    ("accelerator", "precision", "said"), [("V100-32GB", "bf16", True), ("A100", "fp8", True), ("A100", "bf16", False)]
)
def test_a_precision_that_is_not_there_is_said(accelerator: str, precision: str, said: bool) -> None:  # noqa: FBT001  a case
    asked = question(accelerator=accelerator)
    found = answer(replace(asked, work=replace(asked.work, precision=precision)), Constants(), what_if=True)
    assert any(f"has no {precision}" in warning for warning in found.warnings) == said
    assert not any(each.name == "fp8" for each in found.what_if)


def test_nobody_has_validated_a_b200() -> None:
    assert any("B200" in warning for warning in answer(question(accelerator="B200"), Constants()).warnings)


@settings(max_examples=30, deadline=None)
@given(count=st.sampled_from([1, 2, 4, 6, 8, 12, 24]), batch=st.sampled_from([24, 48, 96]))
def test_the_parallel_section_is_one_that_smelt_run_takes(count: int, batch: int) -> None:
    asked = runnable(question(count=count, batch=batch))
    for layout in layouts(SMALL, asked.work, count, fixed=asked.fixed, flash=True):
        values = section_of(layout, asked.work)
        assert values is not None
        section = Parallel.model_validate(values)
        assert section.processes == count
        assert section.sequence == (layout.tensor > 1)


def test_a_layout_that_smelt_does_not_run_has_no_section() -> None:
    work = Work(sequence=1024, batch=64)
    for layout in (Layout(context=2), Layout(recompute="full"), Layout(sharding="optimizer", data=2), Layout(virtual=4, pipeline=2)):
        assert section_of(layout, work) is None


def test_smelt_shares_whole_key_heads_alone() -> None:
    asked = runnable(question(LLAMA70, count=16, batch=64))
    assert max(layout.tensor for layout in layouts(LLAMA70, asked.work, 16, fixed=asked.fixed, flash=True)) == 8
    assert max(layout.tensor for layout in layouts(LLAMA70, asked.work, 16, fixed={}, flash=True)) == 16


@pytest.mark.parametrize("given", [{"sharding": "optimizer"}, {"recompute": "full"}, {"context": 2}, {"virtual": 3}])
def test_what_is_given_against_smelts_own_layouts_finds_nothing(given: dict[str, object]) -> None:
    asked = runnable(replace(question(sequence=8192), fixed=given))
    assert list(layouts(SMALL, asked.work, 8, fixed=given, flash=True))
    assert not list(layouts(SMALL, asked.work, 8, fixed=asked.fixed, flash=True))


def test_smelt_trains_no_networks_with_experts() -> None:
    asked = runnable(question(replace(SMALL, experts=8, experts_per_token=2)))
    assert not list(layouts(asked.shape, asked.work, 8, fixed=asked.fixed, flash=True))


@pytest.mark.parametrize(
    "given",
    [{"virtual": 2}, {"virtual": 5}, {"sharding": "full"}, {"context": 3}, {"expert": 2}, {"pipeline": 3, "virtual": 2}, {"data": 3}],
)
def test_what_is_given_makes_nothing_legal_that_is_not(given: dict[str, object]) -> None:
    asked = question(count=24, batch=48, sequence=8192)
    for layout in layouts(SMALL, asked.work, 24, fixed=given, flash=True):
        assert not faults(layout, SMALL, asked.work, 24)
        assert all(getattr(layout, name) == value for name, value in given.items())


def test_the_clash_of_what_is_given_is_named() -> None:
    with pytest.raises(UsageFault, match="weights are not sharded along a pipeline"):
        search(replace(question(), fixed={"sharding": "full", "pipeline": 4}), Constants())


def test_replicas_are_counted_whole_in_a_message() -> None:
    with pytest.raises(UsageFault) as caught:
        search(replace(question(count=4096, batch=2**20 * 3**6), fixed={"tensor": 5}), Constants())
    told = str(caught.value).split("can be shared by ")[1].split(" replicas")[0].split(", ")
    assert [int(number) for number in told[:-1]] == [n for n in range(1, 100) if 2**20 * 3**6 % n == 0][: len(told) - 1]
    assert told[-1] == "…"


def test_a_batch_of_many_divisors_is_searched_at_once() -> None:
    """All divisors of so large a number would take years."""
    assert list(layouts(SMALL, Work(sequence=1024, batch=10**30), 8, fixed={}, flash=True))


def test_no_pipeline_is_longer_than_can_be_drawn() -> None:
    deep = replace(SMALL, layers=4096)
    assert max(layout.pipeline for layout in layouts(deep, Work(sequence=1024, batch=4096), 4096, fixed={}, flash=True)) == 512


def test_smaller_clusters_are_whole_nodes() -> None:
    asked = question(accelerator="GB200", count=576, batch=576)
    offers = answer(replace(asked, cluster=replace(asked.cluster, per_node=72)), Constants()).offers
    assert [offer.count for offer in offers] == [1, 2, 4, 8, 16, 32, 64, 72, 144, 288, 576]


def test_a_deadline_that_nothing_keeps_is_warned_of() -> None:
    late, kept = (answer(replace(question(), deadline_hours=hours), Constants()) for hours in (1e-6, 1e6))
    assert late.cheapest is None
    assert any("keeps the deadline" in warning for warning in late.warnings)
    assert not any("keeps the deadline" in warning for warning in kept.warnings)


def test_a_run_that_never_ends_is_null_in_the_document() -> None:
    found = document(answer(replace(question(), hours_between_failures=1e-6), Constants()))
    assert found["failures"]["expected"] is None  # type: ignore[index]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
    json.dumps(found, allow_nan=False)


@given(st.integers(1, 5000))
def test_divisors(number: int) -> None:
    assert divisors(number) == [n for n in range(1, number + 1) if number % n == 0]


def test_torch_is_not_needed(tmp_path: Path) -> None:
    spec = "model: {layers: 2, hidden: 64, heads: 2}\ntask: {sequence: 128, global_batch: 8}\ncluster: {accelerator: A100, count: 2}\n"
    (tmp_path / "spec.yaml").write_text(spec)
    without = "import sys; sys.modules |= {'torch': None, 'transformers': None}"
    code = f"{without}; from smelt.cli.main import main; main(['plan', 'spec.yaml', '--json'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["best"], done.stderr
