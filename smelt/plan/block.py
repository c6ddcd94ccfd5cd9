"""What one micro-batch costs in one block, in the embedding and in the head, on one rank.

Legend of the formulas: t tokens of a micro-batch on a rank, s sequence, h hidden width, a heads, p tensor degree.
"""

from dataclasses import dataclass

from smelt.plan.collectives import Wires
from smelt.plan.constants import Constants
from smelt.plan.kernels import Kernels
from smelt.plan.layout import Layout, Work
from smelt.plan.shape import Shape
from smelt.plan.software import Software


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds on one rank: of the accelerator, of waiting for tensor and context neighbors (`wire`), and of the host."""

    device: float = 0.0
    wire: float = 0.0
    host: float = 0.0

    def __add__(self, other: "Pass") -> "Pass":
        """Add part by part."""
        return Pass(self.device + other.device, self.wire + other.wire, self.host + other.host)

    def times(self, number: float) -> "Pass":
        """Return it `number` times over."""
        return Pass(self.device * number, self.wire * number, self.host * number)

    @property
    def seconds(self) -> float:
        """The host runs ahead of the device, so the slower of the two decides."""
        return max(self.device + self.wire, self.host)


@dataclass(frozen=True, slots=True)
class Costs:
    """One micro-batch: a block forward, backward and what is computed again; embedding and head, forward and backward together."""

    forward: Pass
    backward: Pass
    again: Pass
    embedding: Pass
    head: Pass


class Blocks:
    """What layouts cost per micro-batch: it depends on tensor and context degree, micro-batch and recomputation alone."""

    def __init__(self, shape: Shape, work: Work, software: Software, kernels: Kernels, wires: Wires) -> None:
        """Take what all layouts of one question share."""
        self.shape, self.work, self.software = shape, work, software
        self.kernels, self.wires = kernels, wires
        self.constants: Constants = kernels.constants

    def costs(self, layout: Layout) -> Costs:
        """Return the costs of one micro-batch under `layout`."""
        tokens = layout.micro_batch * self.work.sequence / layout.context
        products, weights = self.products(tokens, layout)
        attention = self._attention(tokens, layout)
        moved = self._moved(tokens, layout)
        wire = self._tensor(tokens, layout)
        context = self._context(tokens, layout, attention[0])
        experts = self._experts(tokens, layout)
        host = self._host(layout)
        forward = Pass(products + attention[0] + moved, wire + context + experts, host)
        wires = wire * ((2.0 + self.shape.matrices) / 2.0 if self.software.readers_apart else 1.0)
        backward = Pass(products + weights + attention[1] + 2.0 * moved, wires + 2.0 * context + experts, 1.2 * host)
        again = Pass()
        if layout.recompute == "full":
            again = forward
        elif layout.recompute == "selective" and not self.software.flash:
            again = Pass(attention[0], 0.0, 0.2 * host)
        return Costs(forward, backward, again, self._embedding(tokens, layout), self.head(tokens, layout))

    def products(self, tokens: float, layout: Layout) -> tuple[float, float]:
        """Return the products of a block: forward (and the gradient of its inputs, which costs the same), and the weights' gradient."""
        shape, degree, product = self.shape, layout.tensor, self.kernels.product
        wide = shape.ffn / degree
        sizes = [(shape.attention_width + 2 * shape.kv_width) / degree, shape.hidden, (shape.matrices - 1) * wide, shape.hidden]
        depths = [shape.hidden, shape.attention_width / degree, shape.hidden, wide]
        rows = [tokens, tokens, tokens, tokens]
        count = [1.0, 1.0, 1.0, 1.0]
        if shape.experts:
            there = max(1.0, shape.experts / layout.expert)
            rows[2:] = [tokens * max(1, shape.experts_per_token) / there] * 2
            count[2:] = [there, there]
        forward = weights = 0.0
        for row, column, depth, number in zip(rows, sizes, depths, count, strict=True):
            forward += product(row, column, depth, count=number)
            weights += product(depth, column, row, count=number)
        return forward, weights

    def _attention(self, tokens: float, layout: Layout) -> tuple[float, float]:
        """Forward and backward of the scores and what is made of them."""
        shape, constants = self.shape, self.constants
        heads, length = shape.heads / layout.tensor, self.work.sequence
        flops = 4.0 * tokens * length * heads * shape.head_width * (0.5 if shape.causal and self.software.flash else 1.0)
        if self.software.flash:
            forward = self.kernels.flash(flops, shape.head_width)
            return forward, forward * 2.5 / constants.flash_backward
        batch = heads * layout.micro_batch
        rows, width = length / layout.context, shape.head_width
        scores = self.kernels.product(rows, length, width, count=batch, rate=self.kernels.wide_rate)
        mixed = self.kernels.product(rows, width, length, count=batch, rate=self.kernels.wide_rate)
        element = self.kernels.element_bytes
        passes = (5.0 if self.software.dropout else 2.0) * element
        if self._softmax_apart(layout):
            passes += 26.0  # to four bytes, scaled, masked, normalized, back to two
        softmax = self.kernels.stream(passes * batch * rows * length, 2)
        return scores + mixed + softmax, 2.0 * (scores + mixed) + 1.5 * softmax

    def _softmax_apart(self, layout: Layout) -> bool:
        """Scaling, masking and softmax are one kernel only where a rank's heads times its texts are a multiple of 4.

        Source: Megatron-LM, megatron/model/fused_softmax.py, is_kernel_available.
        """
        return not self.software.flash and (self.shape.heads * layout.micro_batch) % (4 * layout.tensor) != 0

    def _moved(self, tokens: float, layout: Layout) -> float:
        """Norms, residuals, activations: bytes through memory, forward."""
        shape, element = self.shape, self.kernels.element_bytes
        whole = (10.0 if self.software.dropout else 8.0) * shape.hidden
        split = 4.0 * (shape.attention_width + 2 * shape.kv_width) + (3 if shape.gated else 2) * shape.ffn * max(1, shape.experts_per_token)
        share = layout.tensor if layout.sequence_parallel else 1
        cast = 1.5 if self.kernels.is_fp8 else 1.0
        return self.kernels.stream(cast * element * tokens * (whole / share + split / layout.tensor), 8 if self.software.fused else 16)

    def _tensor(self, tokens: float, layout: Layout) -> float:
        """Two sums over the tensor group per pass, or a gather and a scatter each, which move the same."""
        size = tokens * self.shape.hidden * self.kernels.element_bytes
        exposed = self.constants.tensor_exposed if self.software.tuned and layout.sequence_parallel else 1.0
        return 2.0 * exposed * self.wires.all_reduce(size, layout.tensor, 1)

    def _context(self, tokens: float, layout: Layout, attention: float) -> float:
        """Keys and values go round the context group while attention computes; what does not fit behind it is waited for."""
        if layout.context == 1:
            return 0.0
        size = 2.0 * self.kernels.element_bytes * tokens * layout.context * self.shape.kv_width / layout.tensor
        exchange = self.wires.gather(size, layout.context, layout.tensor)
        return max(0.0, exchange - attention) + self.constants.exposed * min(exchange, attention)

    def _experts(self, tokens: float, layout: Layout) -> float:
        """Tokens go to their experts and come back."""
        if layout.expert == 1 or not self.shape.experts:
            return 0.0
        size = tokens * self.shape.hidden * self.kernels.element_bytes * self.shape.experts_per_token
        return 2.0 * self.wires.all_to_all(size, layout.expert, layout.tensor * layout.context)

    def _host(self, layout: Layout) -> float:
        kernels = (16 if self.software.fused else 24) + (0 if self.software.flash else 4) + (8 if self._softmax_apart(layout) else 0)
        return kernels * self._host_of_one(layout)

    def _host_of_one(self, layout: Layout) -> float:
        """The slowest of the ranks that wait for each other decides."""
        spread = 1.0 + self.constants.host_spread * min(1.0, layout.tensor / self.wires.domain) ** 2
        return self.constants.host_us * 1e-6 * spread

    def _embedding(self, tokens: float, layout: Layout) -> Pass:
        element = self.kernels.element_bytes
        moved = self.kernels.stream(8.0 * element * tokens * self.shape.hidden, 4)
        degree = layout.tensor if self.software.vocabulary_split else 1
        wire = self.wires.all_reduce(tokens * self.shape.hidden * element, degree, 1)
        return Pass(moved, wire, 10 * self._host_of_one(layout))

    def head(self, tokens: float, layout: Layout) -> Pass:
        """Return the scores over the vocabulary and the loss, forward and backward."""
        shape, degree = self.shape, layout.tensor if self.software.vocabulary_split else 1
        vocab = -(-shape.vocab // degree)
        tokens *= shape.head_share
        if not tokens:
            return Pass()
        vocab += -vocab % 64
        product = self.kernels.product
        rate = self.kernels.wide_rate
        products = product(tokens, vocab, shape.hidden, rate=rate) + product(tokens, shape.hidden, vocab, rate=rate)
        products += product(shape.hidden, vocab, tokens, rate=rate)
        moved = self.constants.loss_bytes * (1 / 3 if self.software.fused else 1.0)
        loss = self.kernels.stream(moved * tokens * vocab, 8)
        wire = self.wires.all_reduce(tokens * shape.hidden * self.kernels.element_bytes, degree, 1)
        return Pass(products + loss, wire, 20 * self._host_of_one(layout))
