"""What a candidate costs, in the unit that the recipe minimizes."""

import math
from typing import Literal, assert_never


def cost_of(
    minimize: Literal["balanced", "latency", "throughput", "size"], *, latency_ms: float, examples_per_s: float, size_bytes: int
) -> float:  # fmt: skip
    """Return milliseconds for `balanced` (geometric mean of latency and time per document), `latency` and `throughput`, bytes for `size`.

    Args:
        minimize: what is cheap.
        latency_ms: median at batch 1.
        examples_per_s: documents per second in batches.
        size_bytes: of the bundle.
    """
    match minimize:
        case "balanced":
            return math.sqrt(latency_ms * 1000 / examples_per_s)
        case "latency":
            return latency_ms
        case "throughput":
            return 1000 / examples_per_s
        case "size":
            return float(size_bytes)
        case _:
            assert_never(minimize)
