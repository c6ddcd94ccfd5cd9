"""How long one step takes under one layout, and where the time goes."""

from dataclasses import dataclass, replace

from smelt.plan.block import Blocks, Costs, Pass
from smelt.plan.cluster import Cluster
from smelt.plan.collectives import Wires
from smelt.plan.constants import Constants
from smelt.plan.cores import CpuBlocks
from smelt.plan.kernels import Kernels
from smelt.plan.layout import Layout, Work
from smelt.plan.memory import Memory, block_share, memory, stage_blocks, stage_learned
from smelt.plan.shape import Shape
from smelt.plan.software import Software


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. Times in seconds; `parts` add up to `seconds`; `stages` are the times of one micro-batch."""

    layout: Layout
    seconds: float
    parts: dict[str, float]
    stages: tuple[float, ...]
    micro_batches: int


class Estimator:
    """Answers for one model, work, cluster and software; layouts share what they have in common."""

    def __init__(self, shape: Shape, work: Work, cluster: Cluster, software: Software, constants: Constants) -> None:
        """Take the question. What was measured of the accelerator goes before the constants."""
        accelerator, several = cluster.accelerator, cluster.share < 1.0
        self.constants = constants = replace(constants, **dict(accelerator.constants))
        self.shape, self.work, self.cluster, self.software = shape, work, cluster, software
        part = cluster.share * (constants.shared if several else 1.0)
        self.kernels = Kernels(accelerator, work.precision, constants, tuned=software.tuned, part=part)
        self.wires = Wires(cluster, constants)
        self.blocks = (
            CpuBlocks(shape, work, software, self.kernels, self.wires, cluster.crowd)
            if self.kernels.is_cpu
            else Blocks(shape, work, software, self.kernels, self.wires)
        )
        self._known: dict[tuple[object, ...], Costs] = {}

    def _costs(self, layout: Layout) -> Costs:
        """Of one micro-batch, kept by all that it depends on: layouts share it."""
        key = (layout.tensor, layout.context, layout.micro_batch, layout.recompute, layout.sequence_parallel, layout.expert)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.blocks.costs(layout)
        return found

    def memory(self, layout: Layout) -> list[Memory]:
        """Return what ranks hold, of the stages that can be the fullest."""
        return memory(self.shape, self.work, layout, self.software, self.constants)

    def step(self, layout: Layout) -> Step:
        """Return the time of one step."""
        costs = self._costs(layout)
        number = layout.micro_batches(self.work.batch)
        layers = stage_blocks(self.shape, layout.pipeline, self.software)
        forward, backward = self._passes(layout, costs)
        stages = self._stages(layout, costs, layers, forward, backward)
        slowest = max(stages) + self._accumulate(layout, number)
        bubble = max(0.0, sum(stages) - slowest) / (layout.virtual if layout.schedule != "gpipe" else 1)
        if layout.schedule == "zero_bubble":
            bubble /= 3.0
        running, bubble = self._shared(number, slowest, stages, bubble)
        data = self._data(layout, max(layers) * (forward + backward))
        optimizer = self._optimizer(layout, max(layers))
        fixed = self.constants.step_ms * 1e-3 * self.cluster.crowd
        parts = self._parts(layout, costs, number * (running / (number * slowest)), max(layers))
        parts["stall"] = max(0.0, running - sum(parts.values()))
        parts |= {"bubble": bubble, "data": data, "optimizer": optimizer, "fixed": fixed}
        seconds = running + bubble + data + optimizer + fixed
        return Step(layout=layout, seconds=seconds, parts=parts, stages=tuple(stages), micro_batches=number)

    def _passes(self, layout: Layout, costs: Costs) -> tuple[float, float]:
        """A block forward and backward, with the gathers of sharded weights that do not hide behind it."""
        forward, backward = costs.forward, costs.backward + costs.again
        if not self._gathers(layout):
            return forward.seconds, backward.seconds
        size = (layout.shard or layout.data) * layout.context
        held, host = block_share(self.shape, layout), 0.5e-6 * self.constants.shard_us * self.cluster.crowd
        gather = self.wires.gather(self.kernels.element_bytes * held, size, layout.tensor)
        scatter = self.wires.gather(self.kernels.state_bytes * held, size, layout.tensor) * self.constants.scatter
        if self.kernels.is_cpu:  # what is gathered is copied to where it is used, gradients to where they are summed, and once more
            gather += self.kernels.stream(4.0 * self.kernels.element_bytes * held)
            scatter += self.kernels.stream(4.0 * self.kernels.state_bytes * held)
        there = gather if layout.sharding == "full" else 0.0
        return self._behind(forward.seconds + host, gather), self._behind(backward.seconds + host, there + scatter)

    def _gathers(self, layout: Layout) -> bool:
        """Are weights gathered for each micro-batch? A pipeline that shards gradients alone gathers them once per step."""
        return layout.sharding == "full" or (layout.sharding == "gradients" and layout.pipeline == 1)

    def _behind(self, computed: float, exchanged: float) -> float:
        """Both at once: the longer one, and a part of the shorter, as they share the memory and the multiprocessors."""
        return max(computed, exchanged) + self.constants.exposed * min(computed, exchanged)

    def _stages(self, layout: Layout, costs: Costs, layers: list[int], forward: float, backward: float) -> list[float]:
        host = self.constants.micro_batch_us * 1e-6 * self.cluster.crowd
        stages = [number * (forward + backward) for number in layers]
        stages[0] += max(costs.embedding.seconds, host)
        stages[-1] += costs.head.seconds
        if layout.pipeline > 1:
            tokens = layout.micro_batch * self.work.sequence / layout.context
            size = tokens * self.shape.hidden * self.kernels.state_bytes / layout.tensor
            stride = layout.tensor * layout.context * layout.data
            hop = 2.0 * layout.virtual * self.wires.send(size, stride)
            stages = [time + hop for time in stages]
        return [time + host for time in stages]

    def _data(self, layout: Layout, behind: float) -> float:
        """Gradients go to the other replicas; what the first and the last micro-batch do not hide is waited for."""
        size = layout.data * layout.context
        if size == 1 or self._gathers(layout):
            return self._around(layout) if size > 1 else 0.0
        weights = self._learned(layout)
        exchange = self.wires.all_reduce(self._gradient_bytes() * weights, size, layout.tensor)
        if layout.sharding != "none":
            exchange = self.wires.gather(self._gradient_bytes() * weights, size, layout.tensor)
            exchange += self.wires.gather(self.kernels.element_bytes * weights, size, layout.tensor)
        exposed = max(exchange - behind, self.constants.exposed * exchange) if self.software.overlap else exchange
        # On a CPU gradients are copied into buckets and back by the cores that compute.
        return exposed + (4.0 * self._gradient_bytes() * weights / self.kernels.memory if self.kernels.is_cpu else 0.0)

    def _around(self, layout: Layout) -> float:
        """Where blocks are sharded: what copies of the shards exchange, and, on a CPU, embedding and head, gathered once."""
        shards = (layout.shard or layout.data) * layout.context
        stride, copies = layout.tensor * shards, layout.data * layout.context // shards
        exchange = self.wires.all_reduce(self._gradient_bytes() * self._learned(layout) / shards, copies, stride)
        if not self.kernels.is_cpu:
            return self.constants.exposed * exchange
        shape = self.shape
        outside = shape.embedding_weights + shape.head_weights + shape.other_weights
        narrow, wide = self.kernels.element_bytes * outside, self.kernels.state_bytes * (outside - shape.frozen)
        gather, scatter = (self.wires.gather(size, shards, layout.tensor) for size in (narrow, wide))
        copies = self.kernels.stream(4.0 * (narrow + wide)) + 2.0 * (self.kernels.fresh(narrow) + self.kernels.fresh(wide))
        return exchange + gather + self.constants.scatter * scatter + copies

    def _accumulate(self, layout: Layout, number: int) -> float:
        """With several micro-batches each adds its gradients to those kept: read both, write one."""
        if number == 1 or self.software.fused:
            return 0.0
        return self.kernels.stream((2.0 * self._gradient_bytes() + self.kernels.element_bytes) * self._learned(layout))

    def _learned(self, layout: Layout) -> float:
        """Weights that the fullest stage learns."""
        return max(stage_learned(self.shape, layout, self.software))

    def _gradient_bytes(self) -> int:
        return 4 if self.work.precision == "fp32" else self.software.gradient_bytes

    def _optimizer(self, layout: Layout, layers: int) -> float:
        shards = (layout.shard or layout.data) * layout.context if layout.sharding != "none" else 1
        host = self.constants.update_us + (self.constants.split_update_us if layout.tensor > 1 else 0.0)
        whole = replace(layout, expert=1) if shards > 1 and layout.expert > 1 else layout  # all share the states of all experts
        moved = self.constants.optimizer_bytes * self._learned(whole) / shards / self.kernels.bandwidth * self.constants.stream
        return moved + 1e-6 * host * layers * self.cluster.crowd

    def _shared(self, number: int, slowest: float, stages: list[float], bubble: float) -> tuple[float, float]:
        """Time of the micro-batches, and of the bubble.

        Where ranks share cores, who waits leaves them to the others: the whole lies between the bounds of list scheduling, here halfway.
        Source: Graham 1969, doi:10.1137/0117039, theorem 1.
        """
        running, crowd = number * slowest, self.cluster.crowd
        if crowd == 1.0:
            return running, bubble
        busy, path = number * sum(stages) / len(stages), (running + bubble) / crowd
        whole = 0.5 * (max(busy, path) + busy + path * (1.0 - 1.0 / self.cluster.accelerator.units))
        return min(whole, running), max(0.0, whole - running)

    def _parts(self, layout: Layout, costs: Costs, number: float, layers: int) -> dict[str, float]:
        """What the slowest stage is busy with, over the step."""
        block: Pass = costs.forward + costs.backward
        last = costs.head if layout.pipeline == 1 else Pass()
        return {
            "compute": number * (layers * block.device + last.device),
            "recompute": number * layers * costs.again.device,
            "tensor": number * layers * (block.wire + costs.again.wire),
        }
