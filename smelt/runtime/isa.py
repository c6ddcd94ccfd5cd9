"""Which CPU this is. Int8 and bf16 arithmetic differs between instruction sets, so a certificate is bound to them."""

import os
import platform
from functools import cache
from pathlib import Path

_FLAGS = (
    "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8",
    "asimddp", "bf16", "i8mm", "sve",
)  # fmt: skip


@cache
def isa() -> str:
    """Return the architecture and those of its flags that change neural arithmetic, such as `x86_64 avx2 fma avx512f`."""
    found = _cpuinfo().get("flags", _cpuinfo().get("Features", "")).split()
    return " ".join([platform.machine(), *(flag for flag in _FLAGS if flag in found)])


@cache
def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    return _cpuinfo().get("model name", "") or platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """Return what timings depend on: the processor, its instructions, and how many cores this process may use."""
    return f"{cpu_name()}, {cores()} cores, {isa()}"


def peak_rss_bytes() -> int:
    """Return the most memory this process has held at once, 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    line = next((line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


@cache
def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
