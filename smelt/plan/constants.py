"""The fitted constants of the cost model: few, physical, each with its meaning. Fitted by `benchmarks/plan/fit.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Shares are of what the hardware table states, 0 to 1."""

    tile_depth: float = 142.0
    """Elements of depth that a tile of a product costs beside its own: filling and draining."""
    wave: float = 0.541
    """Share of a last, partly filled wave of tiles that is lost."""
    ragged: float = 0.684
    """Share of speed left where a product's width is no multiple of 64 elements but of 8."""
    odd: float = 0.46
    """The same where it is no multiple of 8."""
    stream: float = 0.858
    """Share of the memory's bandwidth that kernels which only move data reach."""
    gap_us: float = 2.05
    """Time between two kernels. Microseconds."""
    host_us: float = 35.3
    """Time of the host to start one kernel from Python. Microseconds."""
    host_spread: float = 0.21
    """What waiting for each other in every block adds to the host's time where the tensor group fills a node, as a share; it grows with
    the square of the group."""
    micro_batch_us: float = 581.0
    """Time of the host per micro-batch and stage, beside its kernels. Microseconds."""
    link: float = 0.725
    """Share of the link inside a node that collectives reach."""
    network: float = 0.971
    """Share of the network between nodes that collectives reach."""
    link_us: float = 26.2
    """Latency of one hop of a collective inside a node. Microseconds."""
    network_us: float = 22.9
    """The same between nodes. Microseconds."""
    untuned: float = 0.822
    """Share of the sustained rate that products reach on Hopper and later without kernels of that generation."""
    untuned_flash: float = 0.557
    """The same for attention."""
    flash: float = 0.616
    """Share of the sustained rate that attention without stored scores reaches forward, with heads of infinite width."""
    flash_width: float = 21.5
    """Width of a head at which it reaches half of that."""
    flash_backward: float = 0.699
    """Its speed backward, as a share of forward."""
    exposed: float = 0.732
    """Share of an exchange that overlap does not hide."""
    tensor_exposed: float = 0.62
    """The same between tensor neighbors, where the software hides it at all."""
    fp8: float = 0.933
    """Share of the sustained rate left in fp8."""
    loss_bytes: float = 76.2
    """Bytes moved per token and word of the vocabulary in a loss of single kernels; a fused one moves a third."""
    optimizer_bytes: float = 25.5
    """Bytes moved per weight in the optimizer's step, with clipping and copies."""
    step_ms: float = 4.57
    """Time per step for what nothing above names. Milliseconds."""
    activations: float = 1.32
    """Memory held for activations, as a multiple of the equations': copies, buffers of a pipeline, what the allocator cannot reuse."""
    shared: float = 1.0
    """Share of a CPU's speed that several ranks on it reach together. This and what follows is of CPUs: `smelt plan --calibrate`."""
    dropout_ns: float = 0.0
    """Time of a CPU to draw one number of a dropout. Nanoseconds."""
    update_us: float = 0.0
    """Time of the host for one block in the optimizer's step, clipping included. Microseconds."""
    split_us: float = 0.0
    """Time of the host that the split matrices of a block cost per micro-batch, beside kernels and sums. Microseconds."""
    split_update_us: float = 0.0
    """The same in the optimizer's step. Microseconds."""
    shard_us: float = 0.0
    """Time of the host to gather a sharded block, and to scatter its gradients, per micro-batch. Microseconds."""
    fresh_ns: float = 0.0
    """Time of a CPU for each byte of a buffer that is taken from the system anew. Nanoseconds."""
    scatter: float = 1.0
    """A scatter that sums takes so many times as long as a gather of as much."""
