"""How sure a share is that was counted."""

import math

Z_95 = 1.959964


def wilson(share: float, count: float, z: float = Z_95) -> tuple[float, float]:
    """Return the two-sided interval of a share, of 95 % by default.

    Args:
        share: what was seen, a fraction.
        count: of how many, above 0.
        z: quantile of the normal distribution for each side.

    Returns:
        Lower and upper end, fractions in [0, 1].

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    square = z * z
    center = share + square / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, (center - half) / (1 + square / count)), min(1.0, (center + half) / (1 + square / count))
