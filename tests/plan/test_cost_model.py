"""Parts of the cost model, each against something that does not come from it."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smelt.plan.cluster import Cluster
from smelt.plan.collectives import Wires
from smelt.plan.constants import Constants
from smelt.plan.failures import failures
from smelt.plan.hardware import find
from smelt.plan.kernels import Kernels
from smelt.plan.layout import Layout, Work
from smelt.plan.memory import Fit, block_bytes, fit, memory, stage_blocks, stage_layers, stage_weights
from smelt.plan.shape import Shape
from smelt.plan.software import CURRENT, MEGATRON_2021
from smelt.plan.step import Estimator

GPT = Shape(layers=12, hidden=1024, heads=16, kv_heads=16, head_width=64, ffn=4096, vocab=51200)
A100, H100 = find("A100-80GB"), find("H100")


def estimator(shape: Shape = GPT, *, count: int = 16, sequence: int = 1024, batch: int = 64, **changes: object) -> Estimator:
    cluster = replace(Cluster(accelerator=H100, count=count), **changes)
    return Estimator(shape, Work(sequence=sequence, batch=batch), cluster, CURRENT, Constants())


def test_a_large_product_runs_at_the_sustained_rate() -> None:
    kernels = Kernels(A100, "bf16", Constants())
    size = 16384
    assert kernels.product(size, size, size) == pytest.approx(2 * size**3 / (A100.peak("bf16") * A100.sustained), rel=0.05)


def test_a_product_of_one_row_is_bound_by_memory() -> None:
    kernels = Kernels(A100, "bf16", Constants())
    moved = 2 * 8192 * 8192
    assert kernels.product(1, 8192, 8192) >= moved / (A100.memory_gbps * 1e9)


def test_heads_that_are_no_multiple_of_eight_are_slow() -> None:
    kernels = Kernels(A100, "bf16", Constants())
    assert kernels.product(2048, 2048, 108, count=64) > 1.2 * kernels.product(2048, 2048, 112, count=64)


def test_an_all_reduce_in_a_node_moves_twice_the_data_but_one_share() -> None:
    wires = Wires(Cluster(accelerator=A100, count=8), Constants())
    size = 8e9
    assert wires.all_reduce(size, 8, 1) == pytest.approx(2 * 7 / 8 * size / (300e9 * Constants().link), rel=0.01)


def test_a_group_that_spans_nodes_has_the_network_of_its_members() -> None:
    cluster = Cluster(accelerator=A100, count=64, per_node=8, network_gbps=25.0)
    wires, constants = Wires(cluster, Constants()), Constants()
    alone = wires.gather(8e9, 8, 8)  # one member per node
    assert alone == pytest.approx(7 / 8 * 8e9 / (25e9 * constants.network), rel=0.01)
    assert wires.gather(8e9, 64, 1) < alone  # eight members per node share eight wires


def test_activations_are_those_of_korthikanti() -> None:
    """Equation 1 of arXiv 2205.05198: s b h (34 + 5 a s / h) bytes per layer without parallelism."""
    work = Work(sequence=2048, batch=4)
    expected = 2048 * 4 * (34 * 1024 + 5 * 16 * 2048)
    assert block_bytes(GPT, work, Layout(micro_batch=4), MEGATRON_2021) == expected


def test_activations_with_tensor_and_sequence_parallelism_are_shared_whole() -> None:
    """Equation 4: everything divided by the tensor degree; equation 2 without sequence parallelism: 10 s b h stay whole."""
    work = Work(sequence=2048, batch=4)
    whole = block_bytes(GPT, work, Layout(micro_batch=4), MEGATRON_2021)
    split = Layout(micro_batch=4, tensor=4)
    assert block_bytes(GPT, work, replace(split, sequence_parallel=True), MEGATRON_2021) == whole / 4
    stay = 10 * 2048 * 4 * 1024
    assert block_bytes(GPT, work, split, MEGATRON_2021) == stay + (whole - stay) / 4


@pytest.mark.parametrize(
    ("sharding", "bytes_per_weight"),
    [("none", 16 + 4), ("optimizer", 4 + (12 + 4) / 8), ("gradients", 2 + (14 + 4) / 8), ("full", (16 + 4) / 8)],
)
def test_states_are_those_of_zero(sharding: str, bytes_per_weight: float) -> None:
    """Table 1 of arXiv 1910.02054: 2 bytes of weights, 2 of gradients, 12 of Adam, sharded over 8; a copy of its gradients in four."""
    work = Work(sequence=128, batch=8)
    layout = Layout(data=8, sharding=sharding)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one = memory(GPT, work, layout, MEGATRON_2021, Constants())[0]
    gathered = 4.0 * GPT.embedding_weights if sharding == "full" else 0.0
    assert one.weights + one.gradients + one.optimizer == pytest.approx(bytes_per_weight * GPT.weights + gathered)


def test_embedding_and_head_take_the_place_of_a_block_each() -> None:
    """BLOOM: 70 blocks over 12 stages, five beside the embedding, six between, five beside the head."""
    slots = replace(MEGATRON_2021, embedding_slots=True)
    assert stage_blocks(replace(GPT, layers=70), 12, slots) == [5, *[6] * 10, 5]
    assert stage_blocks(replace(GPT, layers=70), 1, slots) == [70]
    assert stage_blocks(replace(GPT, layers=3), 4, slots) == stage_layers(3, 4)


@pytest.mark.parametrize(
    ("heads", "micro_batch", "tensor", "together"), [(16, 1, 4, True), (16, 1, 8, False), (16, 2, 8, True), (12, 1, 4, False)]
)
def test_softmax_is_one_kernel_where_heads_times_texts_divide_by_four(heads: int, micro_batch: int, tensor: int, *, together: bool) -> None:
    """Megatron's rule; with attention that stores no scores there is nothing to ask."""
    shape, layout = replace(GPT, heads=heads), Layout(tensor=tensor, micro_batch=micro_batch)
    cluster = Cluster(accelerator=A100, count=tensor)
    for software, expected in ((MEGATRON_2021, together), (CURRENT, True)):
        blocks = Estimator(shape, Work(sequence=128, batch=8), cluster, software, Constants()).blocks
        kernels = blocks._host(layout) / blocks._host_of_one(layout)
        usual = (16 if software.fused else 24) + (0 if software.flash else 4)
        assert kernels == pytest.approx(usual if expected else usual + 8)


MOE = replace(GPT, experts=8, experts_per_token=2, tied=False)


@pytest.mark.parametrize("expert", [1, 2, 8])
@pytest.mark.parametrize("sharding", ["none", "optimizer", "gradients", "full"])
def test_all_ranks_together_hold_each_state_of_each_expert(sharding: str, expert: int) -> None:
    """Nothing is lost by splitting: eight ranks hold eight times an eighth, however experts and states are spread."""
    layout = Layout(data=8, sharding=sharding, expert=expert)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one = memory(MOE, Work(sequence=128, batch=8), layout, CURRENT, Constants())[0]
    computed = MOE.weights - MOE.layers * 8 * MOE.expert_weights * (1 - 1 / expert)
    shared = 12 * MOE.weights / 8
    assert one.optimizer == pytest.approx(shared if sharding != "none" else 12 * computed)
    assert one.gradients == pytest.approx(4 * (MOE.weights / 8 if sharding in ("gradients", "full") else computed))
    assert one.weights >= 2 * (MOE.weights / 8 if sharding == "full" else computed) * (1 - 1e-9)


def test_a_sharded_block_of_experts_is_gathered_where_its_experts_are() -> None:
    """Eight experts on each rank, or one: what is gathered for a block is an eighth then, but for attention."""
    work, wide = Work(sequence=128, batch=8), replace(MOE, vocab=8)
    held = [memory(wide, work, Layout(data=8, sharding="full", expert=expert), CURRENT, Constants())[0].weights for expert in (1, 8)]
    assert held[0] - held[1] == pytest.approx(4 * 7 * MOE.expert_weights)


def test_a_classifier_has_no_second_embedding_behind_its_pipeline() -> None:
    layout = Layout(pipeline=4)
    scores, classes = (stage_weights(replace(GPT, head_share=share), layout, CURRENT)[-1] for share in (1.0, 0.0))
    assert scores - classes == GPT.vocab * GPT.hidden


def test_a_vocabulary_that_is_not_split_has_whole_scores_on_each_rank() -> None:
    layout, work = Layout(tensor=4), Work(sequence=128, batch=1)
    split, whole = (
        memory(GPT, work, layout, replace(CURRENT, vocabulary_split=kind), Constants())[0].activations for kind in (True, False)
    )
    assert whole - split == pytest.approx(12 * 128 * GPT.vocab * 3 / 4)


def test_blocks_are_dealt_and_none_is_lost() -> None:
    assert stage_layers(7, 3) == [3, 2, 2]
    shape = replace(GPT, tied=False)
    assert sum(stage_weights(shape, Layout(pipeline=4), CURRENT)) == shape.weights


def one_forward_one_backward(forward: list[float], backward: list[float], number: int) -> float:
    """End of the last backward, by running the schedule task by task."""
    stages = len(forward)
    done: dict[tuple[str, int, int], float] = {}
    queues = []
    for stage in range(stages):
        warm = min(number, stages - stage)
        order = [("f", n) for n in range(warm)]
        for n in range(number):
            order.append(("b", n))
            if n + warm < number:
                order.append(("f", n + warm))
        queues.append(order)
    clocks, left = [0.0] * stages, [0] * stages
    while any(left[s] < len(queues[s]) for s in range(stages)):
        for stage in range(stages):
            while left[stage] < len(queues[stage]):
                kind, n = queues[stage][left[stage]]
                needs = ("f", stage - 1, n) if kind == "f" else ("b", stage + 1, n)
                if 0 <= needs[1] < stages and needs not in done:
                    break
                ready = max(clocks[stage], done.get(needs, 0.0))
                clocks[stage] = ready + (forward if kind == "f" else backward)[stage]
                done[kind, stage, n] = clocks[stage]
                left[stage] += 1
    return max(clocks)


@pytest.mark.parametrize("batch", [8, 24, 64])
@pytest.mark.parametrize("pipeline", [2, 3, 4, 6])
def test_a_pipeline_takes_what_the_schedule_takes(pipeline: int, batch: int) -> None:
    step = estimator(count=pipeline, batch=batch).step(Layout(pipeline=pipeline))
    simulated = one_forward_one_backward([t / 3 for t in step.stages], [2 * t / 3 for t in step.stages], batch)
    outside = sum(step.parts[name] for name in ("data", "optimizer", "fixed"))
    assert len(step.stages) == pipeline
    assert step.seconds - outside == pytest.approx(simulated, rel=0.05)


def test_parts_add_up_to_the_step() -> None:
    for layout in (Layout(data=16), Layout(tensor=2, pipeline=4, data=2), Layout(data=16, sharding="full")):
        step = estimator().step(layout)
        assert sum(step.parts.values()) == pytest.approx(step.seconds, rel=1e-6)


LAYOUTS = st.sampled_from([
    Layout(data=16), Layout(data=16, sharding="full"), Layout(tensor=2, data=8), Layout(tensor=8, data=2, sequence_parallel=True),
    Layout(pipeline=4, data=4), Layout(tensor=4, pipeline=2, data=2, sharding="optimizer"), Layout(pipeline=2, context=2, data=4),
    Layout(tensor=16), Layout(data=16, sharding="gradients", micro_batch=2),
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(layout=LAYOUTS, link=st.floats(1.0, 8.0), network=st.floats(1.0, 8.0))
def test_quicker_wires_never_slow_a_step(layout: Layout, link: float, network: float) -> None:
    slow = estimator(link_gbps=50.0, network_gbps=5.0).step(layout).seconds
    assert estimator(link_gbps=50.0 * link, network_gbps=5.0 * network).step(layout).seconds <= slow * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(layout=LAYOUTS, peak=st.floats(1.0, 4.0), memory_gbps=st.floats(1.0, 4.0))
def test_a_quicker_accelerator_never_slows_a_step(layout: Layout, peak: float, memory_gbps: float) -> None:
    quick = replace(
        H100, memory_gbps=H100.memory_gbps * memory_gbps, peak_tflops=tuple((name, peak * rate) for name, rate in H100.peak_tflops)
    )
    assert estimator(accelerator=quick).step(layout).seconds <= estimator().step(layout).seconds * (1 + 1e-9)


def test_more_replicas_never_slow_a_step_of_many_micro_batches() -> None:
    work, times = Work(sequence=2048, batch=65536), []
    for data in (1, 2, 8, 64, 512, 4096, 16384):
        cluster = Cluster(accelerator=H100, count=data)
        times.append(Estimator(GPT, work, cluster, CURRENT, Constants()).step(Layout(data=data)).seconds)
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("count", [1, 16384])
def test_outside_the_tables_the_answer_is_sane(count: int) -> None:
    work = Work(sequence=2048, batch=2 * count)
    cluster = Cluster(accelerator=H100, count=count)
    step = Estimator(GPT, work, cluster, CURRENT, Constants()).step(Layout(data=count))
    share = GPT.flops(work.tokens, 2048) / step.seconds / H100.peak("bf16") / count
    assert 0.02 < share < 0.8


def test_fits_leaves_room_for_the_error_of_the_estimate() -> None:
    assert [fit(size, A100) for size in (50e9, 70e9, 80e9, 90e9)] == [Fit.FITS, Fit.LIKELY, Fit.TIGHT, Fit.TOO_LARGE]


@pytest.mark.parametrize(("count", "save"), [(16, 30.0), (1024, 60.0), (16384, 120.0)])
def test_time_with_failures_is_what_a_simulation_takes(count: int, save: float) -> None:
    work, drawn = 5 * 24 * 3600.0, random.Random(7)
    told = failures(work, count=count, hours_between=50_000.0, save=save, restart=600.0)
    taken = sum(_simulated(work, told.interval, save, told.between, drawn) for _ in range(60)) / 60
    assert told.expected == pytest.approx(taken, rel=0.03)
    assert told.goodput == pytest.approx(work / told.expected)


def _simulated(work: float, interval: float, save: float, between: float, drawn: random.Random) -> float:
    clock, done, next_failure = 0.0, 0.0, drawn.expovariate(1 / between)
    while done < work:
        piece = min(interval, work - done)
        end = clock + piece + save
        if next_failure < end:
            clock = next_failure
            while True:  # starting again may fail, too
                next_failure = clock + drawn.expovariate(1 / between)
                clock += min(600.0, next_failure - clock)
                if next_failure > clock:
                    break
            continue
        clock, done = end, done + piece
    return clock


@pytest.mark.parametrize("hours", [1e9, 1e12])
def test_without_failures_a_run_takes_its_work_and_its_saving(hours: float) -> None:
    told = failures(3600.0, count=1, hours_between=hours, save=36.0)
    assert told.expected == pytest.approx(3636.0, rel=1e-6)


def test_a_cluster_that_always_fails_never_ends() -> None:
    told = failures(3600.0, count=10_000_000, hours_between=50_000.0, save=3600.0)
    assert told.expected == float("inf")
    assert told.goodput == 0.0
