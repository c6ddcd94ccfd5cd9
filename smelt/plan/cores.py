"""What one micro-batch costs on a CPU, as smelt trains there: kernel after kernel, attention by plain products, states in four bytes.

The host is the device, so its time adds to the rest. Elements are counted as they pass through caches; what one pass costs is measured
(`stream`), and so are the draws of dropout, which one core makes.

Legend of the formulas: t tokens of a micro-batch on a rank, s sequence, h hidden width, a heads.
"""

from smelt.plan.block import Blocks, Costs, Pass
from smelt.plan.collectives import Wires
from smelt.plan.kernels import Kernels
from smelt.plan.layout import Layout, Work
from smelt.plan.shape import Shape
from smelt.plan.software import Software

_KERNELS, _BACK = 28, 1.2
"""Kernels of a block forward, and how many times as long the host takes backward."""
_SCORES, _SCORES_BACK = 6.0, 7.0
"""Passes over the scores of attention: scale, mask, softmax, cast."""
_COPIES = 3
"""Buffers as large as the scores over the vocabulary: their logarithms, and gradients of both."""


class CpuBlocks:
    """What layouts cost per micro-batch. `crowd`: ranks that share a core."""

    def __init__(self, shape: Shape, work: Work, software: Software, kernels: Kernels, wires: Wires, crowd: float) -> None:
        """Take what all layouts of one question share."""
        self.shape, self.work, self.software = shape, work, software
        self.kernels, self.wires, self.crowd = kernels, wires, crowd
        self.constants = kernels.constants
        # In half precision some of what is between matrices is narrow, and some wide.
        self._element = (kernels.element_bytes + kernels.state_bytes) / 2.0
        self.blocks = Blocks(shape, work, software, kernels, wires)

    def costs(self, layout: Layout) -> Costs:
        """Return the costs of one micro-batch under `layout`."""
        tokens = layout.micro_batch * self.work.sequence / layout.context
        products, weights = self.blocks.products(tokens, layout)
        scores, scores_back = self._attention(layout)
        moved, host = self._moved(tokens, layout), self._host(_KERNELS)
        split = 0.5e-6 * self.constants.split_us * self.crowd if layout.tensor > 1 else 0.0
        sums, sums_back = self._sums(tokens, layout)
        forward = Pass(products + scores + moved + self._drawn(2.0 * tokens * self.shape.hidden) + host + split, sums)
        # In half precision the gradients of weights are cast to what keeps them.
        cast = 6.0 * self.shape.block_weights / layout.tensor if self.kernels.element_bytes < self.kernels.state_bytes else 0.0
        behind = products + weights + scores_back + 2.0 * moved + self.kernels.stream(cast) + _BACK * host + split
        again = {"none": Pass(), "selective": Pass(scores), "full": forward}[layout.recompute]
        return Costs(forward, Pass(behind, sums_back), again, self._embedding(tokens, layout), self._head(tokens, layout))

    def _attention(self, layout: Layout) -> tuple[float, float]:
        """Forward and backward of the scores: all s × s of them are computed, of a decoder too."""
        shape, length = self.shape, self.work.sequence
        rows, heads = length / layout.context, layout.micro_batch * shape.heads / layout.tensor
        share = self.constants.flash * shape.head_width / (shape.head_width + self.constants.flash_width)
        flops = 4.0 * heads * rows * length * shape.head_width / (self.kernels.wide_rate * share)
        passed = self.kernels.stream(self._element * heads * rows * length)
        return flops + _SCORES * passed, 2.0 * flops + _SCORES_BACK * passed

    def _moved(self, tokens: float, layout: Layout) -> float:
        """Norms, residuals, activations, casts: bytes through caches, forward."""
        shape = self.shape
        split = 4.0 * (shape.attention_width + 2 * shape.kv_width) + shape.matrices * shape.ffn * max(1, shape.experts_per_token)
        whole = 8.0 * shape.hidden / (layout.tensor if layout.sequence_parallel else 1)
        return self.kernels.stream(self._element * tokens * (whole + split / layout.tensor))

    def _sums(self, tokens: float, layout: Layout) -> tuple[float, float]:
        """Of what split matrices put out, forward, and of the gradients of what they read, backward."""
        size, degree = tokens * self.shape.hidden, layout.tensor
        if layout.sequence_parallel:
            each = (1.0 + self.constants.scatter) * self.wires.gather(self.kernels.state_bytes * size, degree, 1)
            return 2.0 * each, 2.0 * each
        readers = 2.0 + self.shape.matrices if self.software.readers_apart else 2.0
        forward = self.wires.all_reduce(self.kernels.element_bytes * size, degree, 1)
        return 2.0 * forward, readers * self.wires.all_reduce(self.kernels.state_bytes * size, degree, 1)

    def _embedding(self, tokens: float, layout: Layout) -> Pass:
        """Rows are looked up and normed; their gradients fill a table of all of them."""
        table = 2.0 * self.kernels.state_bytes * (self.shape.embedding_weights - self.shape.frozen)
        moved = self.kernels.stream(8.0 * self.kernels.state_bytes * tokens * self.shape.hidden + table)
        wire = self.wires.all_reduce(self.kernels.state_bytes * tokens * self.shape.hidden, layout.tensor, 1)
        there = wire if self.software.vocabulary_split else 0.0
        return Pass(moved + self._drawn(tokens * self.shape.hidden) + self._host(10), there)

    def _head(self, tokens: float, layout: Layout) -> Pass:
        head = self.blocks.head(tokens, layout)
        scores = self.kernels.state_bytes * self.shape.head_share * tokens * self.shape.vocab
        scores /= layout.tensor if self.software.vocabulary_split else 1
        return Pass(head.device + _COPIES * self.kernels.fresh(scores) + head.host * self.crowd, head.wire)

    def _drawn(self, numbers: float) -> float:
        return 1e-9 * self.constants.dropout_ns * numbers * self.crowd if self.software.dropout else 0.0

    def _host(self, kernels: int) -> float:
        return 1e-6 * self.constants.host_us * kernels * self.crowd
