"""From measurements whose truth is known to an entry: what went in comes out."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.errors import RecipeFaults
from smelt.plan.calibration import SOURCE, Exchange, Measured, Product, disturbed, entry_of, latency_and_bandwidth, predict
from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants
from smelt.plan.hardware import Accelerator, as_json, find, read_entry
from smelt.plan.layout import Layout, Work
from smelt.plan.probe import Probe, layout_of
from smelt.plan.shape import Shape
from smelt.plan.software import SMELT
from smelt.plan.step import Estimator
from smelt.recipe.parallel import Parallel

TRUTH = {
    "tile_depth": 1e-3, "gap_us": 7.0, "flash": 0.8, "flash_width": 20.0, "dropout_ns": 4.0, "fresh_ns": 0.2, "link": 1.0, "link_us": 150.0,
    "shared": 0.9,
    "stream": 0.6, "loss_bytes": 150.0, "optimizer_bytes": 60.0, "host_us": 6.0, "step_ms": 1.5, "update_us": 80.0, "micro_batch_us": 400.0,
    "exposed": 0.8, "split_us": 700.0, "split_update_us": 900.0, "shard_us": 600.0, "scatter": 2.2,
}  # fmt: skip
MINE = Accelerator(
    name="this machine: Abacus 9", kind="cpu", memory_gb=16.0, memory_gbps=35.0, peak_tflops=(("fp32", 0.2), ("bf16", 0.8)), units=2,
    link_gbps=1.3, network_gbps=1.3, domain=2, sustained=1.0, generation=0, source=SOURCE, date="2026-11-26",
    constants=tuple(TRUTH.items()),
)  # fmt: skip
THIN = Probe(architecture="bert", layers=2, hidden=32, heads=4, ffn=64, vocab=64, batch=8, length=8, precision="fp32")
WIDE = replace(THIN, layers=3, hidden=320, heads=10, ffn=1280, vocab=2048, batch=16, length=64)
LLAMA = replace(WIDE, architecture="llama", ffn=864, vocab=8448, batch=8, length=128)
ALONE = [
    *[replace(THIN, layers=layers) for layers in (1, 2, 6)],
    *[replace(one, layers=layers, precision=precision) for one in (WIDE, LLAMA) for layers in (1, 3) for precision in ("fp32", "bf16")],
    replace(WIDE, hidden=768, ffn=3072, heads=12, batch=2, length=16), replace(WIDE, parallel=Parallel(microbatches=4)),
]  # fmt: skip
TOGETHER = [
    replace(one, parallel=parallel, layers=layers)
    for one in (THIN, WIDE)
    for layers in (4, 8)
    for parallel in (Parallel(replicate=2), Parallel(shard=2), Parallel(tensor=2), Parallel(pipeline=2), Parallel(tensor=2, microbatches=4))
]


def product(precision, ranks, rows, columns, depth, count=1):
    rate = dict(MINE.peak_tflops)[precision] * 1e12 * (0.9 / ranks if ranks > 1 else 1.0)
    if count > 1:
        width = min(columns, depth)
        return Product(
            precision=precision, ranks=ranks, rows=rows, columns=columns, depth=depth, count=count,
            seconds=2.0 * count * rows * columns * depth / (rate * 0.8 * width / (width + 20.0)),
        )  # fmt: skip
    seconds = 2.0 * rows * columns * depth / rate + 7e-6 * (ranks == 1)
    return Product(precision=precision, ranks=ranks, rows=rows, columns=columns, depth=depth, count=1, seconds=seconds)


def exchange(kind, size):
    hops, moved = {"all_reduce": (2, size), "gather": (1, size / 2), "send": (1, size)}[kind]
    return Exchange(kind=kind, ranks=2, size_bytes=size, seconds=150e-6 * hops + moved / 1.3e9)


def measured(*, several=True):
    precisions, sizes = ("fp32", "bf16"), ((2048, 320, 320), (128, 512, 512), (512, 64, 64))
    products = [product(precision, 1, *size) for precision in precisions for size in sizes]
    products += [product(precision, 1, 128, 128, width, 32) for precision in precisions for width in (32, 64, 128)]
    products += [product(precision, 2, 1024, 1280, 320) for precision in precisions] if several else []
    return Measured(
        name="Abacus 9", cores=2, memory_bytes=16_000_000_000, date="2026-11-26", memory_gbps=35.0, kernel_us=5.0, dropout_ns=4.0,
        fresh_ns=0.2,
        products=products,
        exchanges=[exchange(kind, size) for kind in ("all_reduce", "gather", "send") for size in (64, 2**19, 2**24)] if several else [],
        steps=[(probe, predict(probe, MINE)) for probe in ALONE + (TOGETHER if several else [])],
    )  # fmt: skip


@pytest.fixture(scope="module")
def entry():
    return entry_of(measured())


@given(latency=st.floats(1e-6, 1e-2), bandwidth=st.floats(1e7, 1e12))
def test_latency_and_bandwidth_come_out_of_the_times_that_they_make(latency, bandwidth):
    sizes = [1e2, latency * bandwidth, 100 * latency * bandwidth]
    points = [(hops, size, hops * latency + size / bandwidth) for hops in (1, 2) for size in sizes]
    assert latency_and_bandwidth(points) == pytest.approx((latency, bandwidth), rel=1e-6)


def test_a_latency_is_never_below_nothing():
    latency, bandwidth = latency_and_bandwidth([(1, 1e6, 0.9e-3), (1, 2e6, 2.1e-3)])
    assert latency == pytest.approx(0.0, abs=1e-9)
    assert bandwidth == pytest.approx(1e9, rel=0.1)


def test_rates_and_wires_are_those_of_the_machine(entry):
    assert dict(entry.peak_tflops) == pytest.approx(dict(MINE.peak_tflops), rel=1e-6)
    assert entry.link_gbps == pytest.approx(1.3, rel=1e-6)
    assert (entry.units, entry.domain, entry.memory_gb) == (2, 2, 16.0)
    found = dict(entry.constants)
    for name in ("gap_us", "flash", "flash_width", "shared"):
        assert found[name] == pytest.approx(TRUTH[name], rel=2e-3), name


@pytest.mark.parametrize("name", ["stream", "loss_bytes", "optimizer_bytes", "host_us", "split_us", "shard_us", "link_us"])
def test_what_steps_tell_of_comes_out_of_them(entry, name):
    assert dict(entry.constants)[name] == pytest.approx(TRUTH[name], rel=0.35)


def test_steps_that_were_not_measured_are_foretold(entry):
    other = replace(WIDE, hidden=512, heads=8, ffn=2048, layers=5, batch=12)
    for parallel in (Parallel(), Parallel(replicate=2), Parallel(tensor=2), Parallel(pipeline=2), Parallel(shard=2)):
        probe = replace(other, parallel=parallel)
        assert predict(probe, entry) == pytest.approx(predict(probe, MINE), rel=0.05)


def test_times_that_cannot_be_make_an_entry_that_can_be_read(tmp_path):
    slow = [replace(one, seconds=one.seconds * 1e6 * number) for number, one in enumerate(measured().products, start=1)]
    path = tmp_path / "hardware.json"
    entry = entry_of(replace(measured(), products=slow))
    path.write_text(json.dumps(as_json(entry)), encoding="utf-8")
    assert read_entry(path) == entry


def test_rates_out_of_reach_are_known_as_disturbed(entry):
    quiet = measured()
    assert disturbed(quiet, entry) == 0.0
    # Every product waited a tenth of a second for its core, so that their sizes no longer tell in their times.
    late = replace(quiet, products=[replace(one, seconds=0.1 + one.seconds / 100) for one in quiet.products])
    assert disturbed(late, entry_of(late)) > 1.5


def test_exchanges_whose_size_does_not_tell_make_an_entry_that_can_be_read_and_are_known_as_disturbed(tmp_path):
    quiet = measured()
    late = replace(quiet, exchanges=[replace(one, seconds=0.1) for one in quiet.exchanges])
    entry, path = entry_of(late), tmp_path / "hardware.json"
    assert disturbed(late, entry) > 1.5
    path.write_text(json.dumps(as_json(entry)), encoding="utf-8")
    assert read_entry(path) == entry


def test_one_process_alone_tells_nothing_of_wires():
    alone = entry_of(measured(several=False))
    assert "split_us" not in dict(alone.constants)
    assert alone.link_gbps == 1.0


def test_an_entry_with_constants_reads_back_the_same(entry, tmp_path):
    path = tmp_path / "hardware.json"
    path.write_text(json.dumps(as_json(entry)), encoding="utf-8")
    assert read_entry(path) == entry


@pytest.mark.parametrize(
    ("constants", "told"),
    [
        ({"host_uss": 3.0}, "constants.host_uss: unknown key. Did you mean 'host_us'?"),
        ({"host_us": "three"}, "constants.host_us: got 'three', want a number above 0 and of at most 1000000000"),
        ({"link_us": 0}, "constants.link_us: got 0, want a number above 0 and of at most 1000000000"),
    ],
)
def test_a_constant_that_is_none_is_told(tmp_path, constants, told):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(as_json(MINE) | {"constants": constants}), encoding="utf-8")
    with pytest.raises(RecipeFaults) as caught:
        read_entry(path)
    assert [f"{fault.path}: {fault.message}" for fault in caught.value.faults] == [told]


def test_measured_constants_go_before_the_fitted_ones():
    shape, work = Shape(layers=2, hidden=64, heads=4, kv_heads=4, head_width=16, ffn=256, vocab=512), Work(sequence=32, batch=4)
    plain = find("H100")
    own = replace(plain, constants=(("step_ms", 50.0),))
    one, other = (
        Estimator(shape, work, Cluster(accelerator=each, count=1), SMELT, Constants()).step(Layout(micro_batch=4)).seconds
        for each in (plain, own)
    )
    assert other - one == pytest.approx(0.05 - Constants().step_ms * 1e-3)


def test_processes_of_one_cpu_share_what_it_does():
    four = Cluster(accelerator=MINE, count=4, per_node=4)
    assert (four.share, four.crowd) == (0.25, 2.0)
    assert (replace(four, count=1).share, replace(four, count=1).crowd) == (1.0, 1.0)
    assert (replace(four, accelerator=find("H100")).share, replace(four, accelerator=find("H100")).crowd) == (1.0, 1.0)


def test_half_a_cpu_takes_twice_as_long_for_half_the_work_of_which_the_host_has_no_part():
    bare = replace(MINE, constants=tuple((name, value) for name, value in TRUTH.items() if name != "shared"))
    whole = predict(replace(WIDE, precision="fp32"), bare)
    work = Work(sequence=64, batch=16, precision="fp32")
    two = Estimator(WIDE.shape, work, Cluster(accelerator=bare, count=2, per_node=2), WIDE.software, Constants())
    half = two.step(Layout(data=2, micro_batch=8))
    assert half.parts["compute"] == pytest.approx(whole, rel=0.15)
    assert half.seconds > whole


def test_frozen_rows_have_no_gradients_and_no_state():
    shape = replace(WIDE.shape, frozen=WIDE.shape.vocab * WIDE.shape.hidden)
    one, other = (
        Estimator(each, WIDE.work, Cluster(accelerator=MINE, count=1), WIDE.software, Constants()).memory(Layout(micro_batch=16))[0]
        for each in (WIDE.shape, shape)
    )
    assert (one.gradients - other.gradients, one.optimizer - other.optimizer) == (4 * shape.frozen, 8 * shape.frozen)
    assert one.weights == other.weights


@pytest.mark.parametrize(
    ("section", "layout"),
    [
        (Parallel(), Layout(micro_batch=24)),
        (Parallel(replicate=2, shard=3), Layout(data=6, shard=3, sharding="full", micro_batch=4)),
        (Parallel(replicate=2, tensor=2), Layout(data=2, tensor=2, shard=1, sharding="full", micro_batch=12)),
        (Parallel(pipeline=2), Layout(pipeline=2, micro_batch=6)),
        (
            Parallel(pipeline=2, pipeline_schedule="interleaved", microbatches=4),
            Layout(pipeline=2, virtual=2, schedule="interleaved", micro_batch=6),
        ),
    ],
    ids=["alone", "hybrid", "matrices", "pipeline", "interleaved"],
)
def test_a_section_is_a_layout(section, layout):
    assert layout_of(section, Work(sequence=8, batch=24)) == layout
