"""How long one accelerator takes for a product of matrices, for attention, and for moving data."""

from smelt.plan.constants import Constants
from smelt.plan.hardware import Accelerator

_TILES = ((256, 128, 1.0), (128, 128, 0.95), (128, 64, 0.85), (64, 64, 0.7))
"""Rows, columns and relative speed of the tiles that libraries choose from (CUTLASS, cuBLAS). Source: NVIDIA, Matrix Multiplication
Background User's Guide, "Tile quantization"."""


_KEPT = 2**25
"""Bytes of the largest buffer that a process keeps for its next step. Source: glibc's manual of mallopt, M_MMAP_THRESHOLD."""
_KERNELS = 2020
"""Generic kernels are written for accelerators of this year: Ampere."""


class Kernels:
    """Times in seconds on one accelerator in one precision. Products are cached: layouts share them."""

    def __init__(self, accelerator: Accelerator, precision: str, constants: Constants, *, tuned: bool = True, part: float = 1.0) -> None:
        """Take the peak, the bandwidth and the constants. `tuned`: kernels are of the accelerator's generation; `part`: of it is theirs."""
        self.constants, self.part = constants, part
        self.is_cpu = accelerator.kind == "cpu"
        self.units = accelerator.units
        self.element_bytes = 4 if precision == "fp32" else 2
        self.state_bytes = 4 if self.is_cpu else self.element_bytes
        self.is_fp8 = precision == "fp8" and "fp8" in dict(accelerator.peak_tflops)
        late = not tuned and accelerator.generation > _KERNELS
        share = part * accelerator.sustained * (constants.untuned if late else 1.0)
        rate = accelerator.peak(precision) * share
        self.rate = rate * constants.fp8 if self.is_fp8 else rate
        self.wide_rate = accelerator.peak("bf16" if precision == "fp8" else precision) * share
        self.flash_share = constants.flash * (constants.untuned_flash / constants.untuned if late else 1.0)
        self.memory = part * accelerator.memory_gbps * 1e9
        self.bandwidth = self.memory * constants.stream
        self.gap = constants.gap_us * 1e-6
        self._products: dict[tuple[float, ...], float] = {}

    def product(self, rows: float, columns: float, depth: float, *, count: float = 1, rate: float = 0.0) -> float:
        """Return the time of `count` products of rows × depth with depth × columns, by tiles, waves and memory.

        A roofline: the longer of computing and moving. Tiles are not cut, waves are as long as their slowest tile, and depths or columns
        that are no multiple of 64 run on slower paths.
        """
        key = (rows, columns, depth, count, rate)
        found = self._products.get(key)
        if found is None:
            found = self._products[key] = self._product(rows, columns, depth, count, rate or self.rate)
        return found

    def stream(self, size_bytes: float, kernels: int = 1) -> float:
        """Return the time to move `size_bytes` through memory in `kernels` kernels."""
        return size_bytes / self.bandwidth + kernels * self.gap

    def fresh(self, size_bytes: float) -> float:
        """Return the extra time of a CPU for a buffer that is so large that its memory is given back, and taken anew, in every step."""
        return 1e-9 * self.constants.fresh_ns * size_bytes / self.part if size_bytes > _KEPT else 0.0

    def flash(self, flops: float, head_width: float) -> float:
        """Return the time of fused attention forward for `flops`. Backward has 2.5 times the work, at `flash_backward` of the speed."""
        share = self.flash_share * head_width / (head_width + self.constants.flash_width)
        return flops / (self.wide_rate * share) + self.gap

    def _product(self, rows: float, columns: float, depth: float, count: float, rate: float) -> float:
        constants = self.constants
        moved = count * self.element_bytes * (rows * depth + depth * columns + rows * columns)
        floor = moved / self.bandwidth
        if self.is_cpu:
            return max(floor, 2.0 * count * rows * columns * (depth + constants.tile_depth) / rate) + self.gap
        best = float("inf")
        for high, wide, speed in _TILES:
            tiles = count * -(-rows // high) * -(-columns // wide)
            waves = tiles / self.units
            full = -(-tiles // self.units)
            waves += constants.wave * (full - waves)
            best = min(best, waves * self.units * 2.0 * high * wide * (depth + constants.tile_depth) / (rate * speed))
        best /= min(self._straight(columns), self._straight(depth))
        return max(floor, best) + self.gap

    def _straight(self, width: float) -> float:
        if width % 64 == 0:
            return 1.0
        return self.constants.ragged if width % 8 == 0 else self.constants.odd
