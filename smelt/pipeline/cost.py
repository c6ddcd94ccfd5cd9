"""What a candidate costs, in the unit that the recipe minimizes."""

import math
from typing import assert_never

from smelt.recipe.compress import Compress


def cost_of(section: Compress, *, latency_ms: float, examples_per_s: float, size_bytes: int) -> float:
    """Return the price: milliseconds, bytes, or for `balanced` and `weighted` a product of powers of them. Lower is cheaper.

    Args:
        section: what is cheap.
        latency_ms: median at batch 1.
        examples_per_s: documents per second in batches.
        size_bytes: of the bundle.
    """
    per_document = 1000 / examples_per_s
    match section.minimize:
        case "balanced":
            return math.sqrt(latency_ms * per_document)
        case "latency":
            return latency_ms
        case "throughput":
            return per_document
        case "size":
            return float(size_bytes)
        case "weighted":
            weights = section.weighting
            return latency_ms**weights.latency * per_document**weights.throughput * max(1, size_bytes) ** weights.size
        case _:
            assert_never(section.minimize)
