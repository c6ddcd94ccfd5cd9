"""What one rank has to hold at the fullest moment of a step, stage by stage.

Source of the activations: Korthikanti et al. 2022, arXiv 2205.05198, equations 1 to 6; of the sharded states: Rajbhandari et al. 2020,
arXiv 1910.02054.
"""

from dataclasses import dataclass
from enum import Enum

from smelt.plan.constants import Constants
from smelt.plan.hardware import Accelerator
from smelt.plan.layout import Layout, Work
from smelt.plan.shape import Shape
from smelt.plan.software import Software


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one rank of one stage."""

    stage: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    reserve: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.reserve


def stage_layers(layers: int, stages: int, head: float = 0.0) -> list[int]:
    """Deal blocks to stages, the longer ones first: 7 over 3 is [3, 2, 2].

    `head`: blocks that the last stage's head counts for, where that is to be balanced: it holds fewer then, at least one.
    """
    if head and stages > 1:
        last = min(range(1, layers - stages + 2), key=lambda number: (max(-(-(layers - number) // (stages - 1)), number + head), -number))
        return [*stage_layers(layers - last, stages - 1), last]
    base, rest = divmod(layers, stages)
    return [base + (stage < rest) for stage in range(stages)]


def stage_blocks(shape: Shape, stages: int, software: Software) -> list[int]:
    """Deal a network's blocks to stages as the software does."""
    if software.embedding_slots and stages > 1 and shape.layers + 2 >= 2 * stages:
        first, *between, last = stage_layers(shape.layers + 2, stages)
        return [first - 1, *between, last - 1]
    balanced = software.balanced and shape.causal
    return stage_layers(shape.layers, stages, shape.vocab * shape.row_width / shape.active_block_weights if balanced else 0.0)


def block_share(shape: Shape, layout: Layout) -> float:
    """Return the weights of one block that one rank computes with: its share of the matrices, and of the experts. Count."""
    return shape.block_weights / layout.tensor - _elsewhere(shape, layout)


def _elsewhere(shape: Shape, layout: Layout) -> float:
    """Weights of a block's experts that other replicas hold. Where states are sharded, all replicas share all of them."""
    return shape.experts * shape.expert_weights * (1 - 1 / layout.expert) / layout.tensor


def stage_weights(shape: Shape, layout: Layout, software: Software) -> list[float]:
    """Return the weights that one rank of each stage computes with, unsharded. Counts."""
    block = block_share(shape, layout)
    counts = [number * block for number in stage_blocks(shape, layout.pipeline, software)]
    degree = layout.tensor if software.vocabulary_split else 1
    counts[0] += shape.embedding_weights / degree
    last = shape.head_weights + shape.other_weights
    if shape.tied and shape.head_share and layout.pipeline > 1:
        last += shape.vocab * shape.row_width
    counts[-1] += last / degree
    return counts


def stage_learned(shape: Shape, layout: Layout, software: Software) -> list[float]:
    """Return how many of them learn. Counts."""
    counts = stage_weights(shape, layout, software)
    counts[0] -= shape.frozen / (layout.tensor if software.vocabulary_split else 1)
    return counts


def memory(shape: Shape, work: Work, layout: Layout, software: Software, constants: Constants) -> list[Memory]:
    """Return what the ranks of each stage hold at their fullest."""
    counts = stage_weights(shape, layout, software)
    numbers = stage_blocks(shape, layout.pipeline, software)
    return [_stage(shape, work, layout, software, constants, stage, counts[stage], numbers[stage]) for stage in _fullest(layout.pipeline)]


def _fullest(stages: int) -> list[int]:
    """The stages that can be the fullest: the first holds most micro-batches, the last the head."""
    return sorted({0, min(1, stages - 1), stages - 1})


def _stage(  # noqa: PLR0913 - one argument for each thing that a stage is made of
    shape: Shape, work: Work, layout: Layout, software: Software, constants: Constants, stage: int, count: float, layers: int
) -> Memory:
    shards = (layout.shard or layout.data) * layout.context
    split = {"none": (1, 1, 1), "optimizer": (1, 1, shards), "gradients": (1, shards, shards), "full": (shards, shards, shards)}
    of_weights, of_gradients, of_optimizer = split[layout.sharding]
    width = 4 if work.precision == "fp32" else 2
    kept = 8 if work.precision == "fp32" else 12
    degree = layout.tensor if software.vocabulary_split else 1
    others = layers * _elsewhere(shape, layout)
    weights = width * _sharded(count, others, of_weights)
    if layout.sharding == "full":
        weights += 2.0 * width * max(block_share(shape, layout), shape.embedding_weights / degree)
    gradient = 4 if work.precision == "fp32" else software.gradient_bytes
    if gradient < 4:
        kept += 4  # the step is taken with gradients of four bytes: a rank's part of them is copied
    learned = count - (shape.frozen / degree if stage == 0 else 0.0)
    gradients = gradient * _sharded(learned, others, of_gradients) + software.beside_bytes * learned
    optimizer = kept * _sharded(learned, others, of_optimizer)
    held = _held(layout, work, stage) * layers * block_bytes(shape, work, layout, software)
    if layout.recompute == "full":
        held += _working(shape, work, layout, software)
    held *= constants.activations
    if stage == layout.pipeline - 1:
        held += LOGITS * shape.head_share * layout.micro_batch * work.sequence / layout.context * shape.vocab / degree
    return Memory(stage, weights, gradients, optimizer, held, software.reserve_gb * 1e9)


LOGITS = 12.0
"""Bytes of one logit: as it is made, in four bytes, its share of the softmax, and its gradient."""


def _sharded(count: float, others: float, shards: int) -> float:
    """A rank's part of the weights that it computes with and of the experts that others compute with."""
    return (count + others) / shards if shards > 1 else count


def _held(layout: Layout, work: Work, stage: int) -> float:
    """Micro-batches whose activations a stage holds at once."""
    number = layout.micro_batches(work.batch)
    if layout.schedule == "gpipe":
        return number
    at_once = min(number, layout.pipeline - stage)
    if layout.virtual > 1:
        return min(number, at_once + (layout.pipeline - 1) / layout.virtual)
    return at_once


def block_bytes(shape: Shape, work: Work, layout: Layout, software: Software) -> float:
    """Return the bytes of activations that one micro-batch leaves in one block on one rank."""
    tokens = layout.micro_batch * work.sequence / layout.context
    share = layout.tensor if layout.sequence_parallel else 1
    width = 2.0 if work.precision == "fp32" else 1.0
    if layout.recompute == "full":
        return 2.0 * width * tokens * shape.hidden / share
    whole = (10.0 if software.dropout else 8.0) * shape.hidden
    ffn, gate = shape.ffn * max(1, shape.experts_per_token), 4.0
    if shape.gated:
        gate = 6.0 if software.fused else 8.0  # the activated gate is kept apart from its product
    split = 2.0 * (shape.attention_width + 2.0 * shape.kv_width) + 2.0 * shape.attention_width + gate * ffn
    scores = 0.0
    if not software.flash and layout.recompute == "none":
        scores = (5.0 if software.dropout else 4.0) * shape.heads * work.sequence
    return width * tokens * (whole / share + (split + scores) / layout.tensor)


def _working(shape: Shape, work: Work, layout: Layout, software: Software) -> float:
    """One block is computed again in full before its backward."""
    bare = Layout(tensor=layout.tensor, context=layout.context, micro_batch=layout.micro_batch, sequence_parallel=layout.sequence_parallel)
    return block_bytes(shape, work, bare, software)


class Fit(Enum):
    """Does it fit? The estimate has an error, so the answer has degrees."""

    FITS = "fits"
    """With more room than the estimate was off on published rows, those that ran out of memory among them."""
    LIKELY = "likely"
    """With room for the error of 95 % of those rows."""
    TIGHT = "tight"
    """By the estimate alone."""
    TOO_LARGE = "too large"


SURE, MARGIN = 1.3, 1.15
"""An estimate times these must stay below the memory for FITS and for LIKELY. Of 75 published rows 95 % lie below 1.15 times their
estimate and all but one below 1.3: that one, 65 GB where twice the micro-batch took 56, looks like a slip of its source. A row that ran out
of 85 GB was estimated at 75 (benchmarks/plan)."""


def fit(size_bytes: float, accelerator: Accelerator) -> Fit:
    """Judge the fullest rank of a layout."""
    room = accelerator.memory_gb * 1e9 / size_bytes
    if room < 1.0:
        return Fit.TOO_LARGE
    return Fit.FITS if room >= SURE else Fit.LIKELY if room >= MARGIN else Fit.TIGHT
