"""How a run is spread: which rank holds what, and what one step has to do."""

from dataclasses import dataclass
from typing import Literal

Sharding = Literal["none", "optimizer", "gradients", "full"]
Recompute = Literal["none", "selective", "full"]
Schedule = Literal["gpipe", "1f1b", "interleaved", "zero_bubble"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One step: `sequence` tokens per sequence, `batch` sequences over all ranks, in `precision` (`fp32`, `fp16`, `bf16`, `fp8`)."""

    sequence: int
    batch: int
    precision: str = "bf16"

    @property
    def tokens(self) -> int:
        """Tokens of one step over all ranks."""
        return self.sequence * self.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Degrees of parallelism and what is kept. All counts at least 1.

    `data`: replicas that see other sequences. `sharding`: what is split over a group of `shard` of them (0: over all): nothing, the
    optimizer's state
    (ZeRO-1), its gradients too (ZeRO-2), weights too (ZeRO-3, FSDP). `virtual`: stages per rank (interleaved). `micro_batch`: sequences
    of one forward on one replica. `expert`: ranks among the data-parallel ones that share out the experts.
    """

    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    data: int = 1
    shard: int = 0
    sharding: Sharding = "none"
    virtual: int = 1
    micro_batch: int = 1
    recompute: Recompute = "none"
    sequence_parallel: bool = False
    schedule: Schedule = "1f1b"
    expert: int = 1

    @property
    def ranks(self) -> int:
        """Accelerators that the layout takes."""
        return self.tensor * self.pipeline * self.context * self.data

    def micro_batches(self, batch: int) -> int:
        """Return the forwards of one replica per step for `batch` sequences over all, rounded up."""
        return max(1, -(-batch // (self.data * self.micro_batch)))
