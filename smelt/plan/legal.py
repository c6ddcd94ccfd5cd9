"""What a layout must obey, and all layouts that do."""

from collections.abc import Iterator, Mapping
from typing import Any

from smelt.language import say
from smelt.plan.layout import Layout, Work
from smelt.plan.shape import Shape

LARGEST_TENSOR = 64
LARGEST_PIPELINE = 512
LARGEST_VIRTUAL = 16
LARGEST_MICRO_BATCH = 64
LONG = 8192
"""Tokens of a sequence from which on splitting it between ranks is tried."""


def faults(layout: Layout, shape: Shape, work: Work, count: int) -> list[str]:
    """Return why `layout` is none for `count` accelerators; empty if it is one. Each reason names the legal values."""
    found: list[str] = []
    if layout.ranks != count:
        found.append(say("{ranks} ranks in the layout, {count} accelerators in the cluster", ranks=layout.ranks, count=count))
    found += _matrices(layout, shape)
    stages = layout.pipeline * layout.virtual
    if stages > shape.layers:
        found.append(say("{stages} stages of {layers} layers: want at most as many", stages=stages, layers=shape.layers))
    if layout.pipeline > LARGEST_PIPELINE:
        found.append(say("a pipeline of {pipeline}: want at most {most}", pipeline=layout.pipeline, most=LARGEST_PIPELINE))
    if work.batch % (layout.data * layout.micro_batch):
        found.append(
            say("{batch} sequences are no multiple of {data} replicas times micro-batches of {micro}",
                batch=work.batch, data=layout.data, micro=layout.micro_batch)
        )  # fmt: skip
    if work.sequence % layout.context:
        found.append(say("context {context} does not divide sequences of {sequence}", context=layout.context, sequence=work.sequence))
    if layout.virtual > 1 and (layout.pipeline == 1 or layout.micro_batches(work.batch) % layout.pipeline):
        found.append(say("stages interleave where micro-batches are a multiple of a pipeline of at least 2"))
    if layout.shard and layout.data % layout.shard:
        found.append(say("shard {shard} does not divide {data} replicas", shard=layout.shard, data=layout.data))
    if layout.sharding == "full" and layout.pipeline > 1:
        found.append(say("weights are not sharded along a pipeline: they would be gathered for each micro-batch"))
    return found


def _matrices(layout: Layout, shape: Shape) -> list[str]:
    found: list[str] = []
    if shape.heads % layout.tensor or shape.ffn % layout.tensor:
        legal = ", ".join(str(n) for n in divisors(shape.heads) if shape.ffn % n == 0)
        found.append(
            say("tensor {tensor} does not divide {heads} heads and {ffn} columns; want one of {legal}",
                tensor=layout.tensor, heads=shape.heads, ffn=shape.ffn, legal=legal)
        )  # fmt: skip
    if layout.expert > 1 and (not shape.experts or shape.experts % layout.expert or layout.data % layout.expert):
        found.append(
            say("expert {expert} does not divide {experts} experts and {data} replicas",
                expert=layout.expert, experts=shape.experts, data=layout.data)
        )  # fmt: skip
    return found


def layouts(shape: Shape, work: Work, count: int, *, fixed: Mapping[str, Any], flash: bool) -> Iterator[Layout]:
    """Yield every legal layout on `count` accelerators.

    `fixed`: fields of Layout that are given, or tuples of what is allowed; the others are varied. Beside them `filled_pipeline`: whether
    micro-batches have to be a multiple of the pipeline, and `whole_key_heads`: whether a rank holds whole key heads.
    """
    for layout in _tried(shape, work, count, fixed, flash=flash):
        if not fixed or not faults(layout, shape, work, count):  # what is given may not go with what is varied
            yield layout


def _tried(shape: Shape, work: Work, count: int, fixed: Mapping[str, Any], *, flash: bool) -> Iterator[Layout]:
    for tensor in _among(fixed, "tensor", [n for n in divisors(count) if n <= LARGEST_TENSOR]):
        if shape.heads % tensor or shape.ffn % tensor or (fixed.get("whole_key_heads") and shape.kv_heads % tensor):
            continue
        for pipeline in _among(fixed, "pipeline", _pipelines(shape, count // tensor)):
            for context in _among(fixed, "context", _contexts(work, count // tensor // pipeline)):
                data, rest = divmod(count, tensor * pipeline * context)
                if not rest and work.batch % data == 0 and data in _among(fixed, "data", [data]):
                    mesh = Layout(tensor=tensor, pipeline=pipeline, context=context, data=data, sequence_parallel=tensor > 1)
                    yield from _kept(mesh, shape, work, fixed, flash=flash)


def _kept(mesh: Layout, shape: Shape, work: Work, fixed: Mapping[str, Any], *, flash: bool) -> Iterator[Layout]:
    """One mesh with every micro-batch, sharding, recomputation and number of stages."""
    micros = [n for n in range(1, LARGEST_MICRO_BATCH + 1) if work.batch // mesh.data % n == 0]
    shardings = ["none"] if mesh.data * mesh.context == 1 else ["none", "optimizer"] + (["full"] if mesh.pipeline == 1 else [])
    experts = [n for n in divisors(shape.experts) if mesh.data % n == 0] if shape.experts else [1]
    for micro in _among(fixed, "micro_batch", micros):
        if work.batch % (mesh.data * micro):
            continue
        number = mesh.micro_batches(work.batch) // micro
        if number % mesh.pipeline and fixed.get("filled_pipeline"):
            continue
        for virtual in _among(fixed, "virtual", _virtuals(mesh, shape, number)):
            schedule = "interleaved" if virtual > 1 else fixed.get("schedule", "1f1b")
            for sharding in _among(fixed, "sharding", shardings):
                for recompute in _among(fixed, "recompute", ["none", "full"] if flash else ["none", "selective", "full"]):
                    for expert in _among(fixed, "expert", experts):
                        yield Layout(
                            tensor=mesh.tensor, pipeline=mesh.pipeline, context=mesh.context, data=mesh.data, micro_batch=micro,
                            virtual=virtual, schedule=schedule, sharding=sharding, recompute=recompute, expert=expert,
                            shard=fixed.get("shard", 0), sequence_parallel=fixed.get("sequence_parallel", mesh.sequence_parallel),
                        )  # fmt: skip


def _virtuals(mesh: Layout, shape: Shape, number: int) -> list[int]:
    if mesh.pipeline == 1 or number % mesh.pipeline:
        return [1]
    return [n for n in range(1, LARGEST_VIRTUAL + 1) if shape.layers % (mesh.pipeline * n) == 0] or [1]


def _pipelines(shape: Shape, most: int) -> list[int]:
    return [n for n in divisors(most) if n <= min(shape.layers, LARGEST_PIPELINE)]


def _contexts(work: Work, most: int) -> list[int]:
    if work.sequence < LONG:
        return [1]
    return [n for n in divisors(most) if n <= work.sequence // 1024 and work.sequence % (2 * n) == 0]


def _among(fixed: Mapping[str, Any], name: str, tried: list) -> list:
    """What is given, or what is tried; a tuple allows some of what is tried."""
    given = fixed.get(name)
    if isinstance(given, tuple):
        return [each for each in tried if each in given]
    return tried if given is None else [given]


def divisors(number: int) -> list[int]:
    """Return all divisors, in order."""
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return small + [number // n for n in reversed(small) if n * n != number]
