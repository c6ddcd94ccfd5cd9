"""From what was measured on a machine to an entry of the hardware table, with the constants that differ there. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil, log, log2
from typing import Literal

import numpy as np
from scipy.optimize import least_squares, nnls

from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants
from smelt.plan.hardware import Accelerator
from smelt.plan.probe import PRECISIONS, Precision, Probe
from smelt.plan.step import Estimator

SOURCE = "measured by smelt plan --calibrate"
_UNKNOWN_LINK = 1.0
"""10⁹ bytes per second of a loopback that was not measured, as with one process alone."""
_NO_DEPTH = 1e-3
"""A CPU's products cost time by themselves, not by their depth: `gap_us`."""
_MOST = 1e6
_FASTEST = 1e18
"""Operations or bytes per second that a fit may end at: from a busy machine comes what no machine has, and an entry has to be readable."""
_FAR = 12.0
"""Logarithm of how far a fit may go from where it starts."""
_BEYOND = 1.5
"""Times the best rate seen that a fitted one may be: large products are within a few percent of it."""
_EXACT = 0.04
"""Standard deviation of the logarithm of a measured step time about its prediction."""
_ALONE = {
    "stream": (1.0, 1.0), "loss_bytes": (100.0, 0.7), "optimizer_bytes": (40.0, 0.7), "host_us": (10.0, 0.7), "step_ms": (1.0, 1.0),
    "update_us": (100.0, 1.0), "micro_batch_us": (300.0, 1.0),
}  # fmt: skip
_TOGETHER = {
    "link": (1.0, 0.4), "link_us": (100.0, 0.7), "exposed": (1.0, 0.3), "split_us": (500.0, 1.5), "split_update_us": (500.0, 1.5),
    "shard_us": (500.0, 1.5), "scatter": (2.0, 0.2),
}  # fmt: skip
"""Constants that are fitted to steps: where they start, and the standard deviation of their logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`count` products of rows × depth with depth × columns, on each of `ranks` processes at once. More than one: heads of attention."""

    precision: Precision
    ranks: int
    rows: int
    columns: int
    depth: int
    count: int
    seconds: float

    @property
    def operations(self) -> float:
        """Multiplications and additions."""
        return 2.0 * self.count * self.rows * self.columns * self.depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One collective of `ranks` processes; of a gather, `size_bytes` are what each has in the end."""

    kind: Literal["all_reduce", "gather", "send"]
    ranks: int
    size_bytes: int
    seconds: float

    @property
    def hops(self) -> float:
        """Latencies in it, as `Wires` counts them."""
        return {"all_reduce": 2.0, "gather": 1.0, "send": 1.0}[self.kind] * (1 if self.kind == "send" else ceil(log2(self.ranks)))

    @property
    def moved(self) -> float:
        """Bytes through one rank's wire, as `Wires` counts them."""
        share = (self.ranks - 1) / self.ranks
        return self.size_bytes * {"all_reduce": 2.0 * share, "gather": share, "send": 1.0}[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that was measured on one machine."""

    name: str
    cores: int
    memory_bytes: int
    date: str
    memory_gbps: float
    kernel_us: float
    """Of the host, for one small kernel, forward or backward."""
    dropout_ns: float
    fresh_ns: float
    """For each byte of memory that is new to the process, beside writing it."""
    products: Sequence[Product]
    exchanges: Sequence[Exchange]
    steps: Sequence[tuple[Probe, float]]
    """Trainings and the seconds of a step."""

    @property
    def ranks(self) -> int:
        """Most processes that were measured together."""
        return max([1, *(exchange.ranks for exchange in self.exchanges)])


def entry_of(measured: Measured) -> Accelerator:
    """Return the entry: rates and wires by themselves, and the constants that make the steps come out, one for all of them."""
    rates, extra = _rates([one for one in measured.products if one.count == 1 and one.ranks == 1])
    peaks = tuple((precision, rate / 1e12) for precision, rate in rates.items())
    flash, width = _heads([one for one in measured.products if one.count > 1], rates)
    known = {
        "tile_depth": _NO_DEPTH,
        "gap_us": 1e6 * extra,
        "flash": flash,
        "flash_width": width,
        "dropout_ns": measured.dropout_ns,
        "fresh_ns": measured.fresh_ns,
    }
    link = _UNKNOWN_LINK
    if measured.exchanges:
        latency, bandwidth = _wires(measured.exchanges, measured.cores)
        link = bandwidth / 1e9
        known |= {"link": 1.0, "link_us": 1e6 * latency, "shared": _shared(measured, rates)}
    bare = Accelerator(
        name=f"this machine: {measured.name}"[:80], kind="cpu", memory_gb=measured.memory_bytes / 1e9, memory_gbps=measured.memory_gbps,
        peak_tflops=peaks, units=measured.cores, link_gbps=link, network_gbps=link, domain=max(measured.cores, measured.ranks),
        sustained=1.0, generation=0, source=SOURCE, date=measured.date, constants=_pairs(known),
    )  # fmt: skip
    return replace(bare, constants=_pairs(known | _constants(bare, measured)))


def disturbed(measured: Measured, entry: Accelerator) -> float:
    """Return how many times faster than any product or exchange that was seen the entry's rate is, where that cannot be; else 0.

    A product that had to wait for its core looks like one with a large fixed cost, and what is left of its time like a rate out of reach.
    """
    alone = [one for one in measured.products if one.count == 1 and one.ranks == 1]
    seen = {precision: max(one.operations / one.seconds for one in alone if one.precision == precision) for precision in PRECISIONS}
    times = max(entry.peak(precision) / rate for precision, rate in seen.items())
    if measured.exchanges:
        fastest = max(max(1.0, one.ranks / measured.cores) * one.moved / one.seconds for one in measured.exchanges)
        times = max(times, entry.link_gbps * 1e9 / fastest)
    return times if times > _BEYOND else 0.0


def latency_and_bandwidth(points: Iterable[tuple[float, float, float]]) -> tuple[float, float]:
    """Fit `seconds = hops × latency + bytes / bandwidth`, each point with the same say whatever its size.

    Args:
        points: hops, bytes, seconds.

    Returns:
        Latency in seconds, 0 or above, and bandwidth in bytes per second.
    """
    table = np.array(list(points))
    (latency, slope), _ = nnls(table[:, :2] / table[:, 2:], np.ones(len(table)))
    # Relative errors of a plain fit weigh a time that is foretold too long more than one too short; logarithms weigh both alike.
    start = np.maximum([latency, slope], [1e-9, 1e-15])

    def off(x: np.ndarray) -> np.ndarray:
        return np.log(table[:, :2] @ (start * np.exp(x)) / table[:, 2])

    latency, slope = start * np.exp(least_squares(off, np.zeros(2), bounds=(-_FAR, _FAR)).x)
    return float(latency), min(float(1.0 / slope), _FASTEST)


def predict(probe: Probe, accelerator: Accelerator, constants: Constants | None = None) -> float:
    """Return the seconds of a step that the cost model foretells."""
    count = probe.parallel.processes
    cluster = Cluster(accelerator=accelerator, count=count, per_node=count)
    return Estimator(probe.shape, probe.work, cluster, probe.software, constants or Constants()).step(probe.layout).seconds


def _rates(products: Sequence[Product]) -> tuple[dict[Precision, float], float]:
    """Return operations per second by precision, and the seconds that a product costs beside them, of both the mean."""
    found: dict[Precision, tuple[float, float]] = {
        precision: latency_and_bandwidth((1.0, one.operations, one.seconds) for one in products if one.precision == precision)
        for precision in PRECISIONS
    }
    return {precision: rate for precision, (_, rate) in found.items()}, float(np.mean([extra for extra, _ in found.values()]))


def _heads(products: Sequence[Product], rates: Mapping[Precision, float]) -> tuple[float, float]:
    """Return the share of the rate that attention reaches with wide heads, and the width at which it reaches half of that."""
    points = [(1.0, 1.0 / _width(one), one.seconds * rates[one.precision] / one.operations) for one in products]
    whole, width = latency_and_bandwidth(points)
    whole = max(whole, 0.3)
    return 1.0 / whole, max(1e-3, 1.0 / (width * whole))


def _width(product: Product) -> int:
    return min(product.depth, product.columns)


def _wires(exchanges: Sequence[Exchange], cores: int) -> tuple[float, float]:
    """Where ranks share cores, hops and bytes take as many times as long."""
    crowds = [max(1.0, one.ranks / cores) for one in exchanges]
    points = [(crowd * one.hops, crowd * one.moved, one.seconds) for crowd, one in zip(crowds, exchanges, strict=True)]
    return latency_and_bandwidth(points)


def _shared(measured: Measured, rates: Mapping[Precision, float]) -> float:
    """Return what ranks that have cores of their own reach together of the rate that one has by itself, at most all of it."""
    own = [one for one in measured.products if 1 < one.ranks <= measured.cores and one.count == 1]
    found = [one.ranks * one.operations / rates[one.precision] / one.seconds for one in own]
    return min(1.0, float(np.exp(np.mean(np.log(found))))) if found else 1.0


def _constants(accelerator: Accelerator, measured: Measured) -> dict[str, float]:
    """Least squares over the logarithms of the steps, and over how far each constant is from where it starts."""
    several = any(probe.parallel.processes > 1 for probe, _ in measured.steps)
    free = dict(_ALONE | (_TOGETHER if several else {}))
    for name, start in {**dict(accelerator.constants), "host_us": measured.kernel_us}.items():
        if name in free:
            free[name] = (start, free[name][1])
    spreads = np.array([spread for _, spread in free.values()])
    bare = replace(accelerator, constants=tuple((name, value) for name, value in accelerator.constants if name not in free))

    def told(x: np.ndarray) -> Constants:
        values = {name: start * float(np.exp(move)) for (name, (start, _)), move in zip(free.items(), x, strict=True)}
        return replace(Constants(), **values | {"exposed": min(1.0, values.get("exposed", 1.0))})

    def off(x: np.ndarray) -> np.ndarray:
        constants = told(x)
        steps = [log(predict(probe, bare, constants) / seconds) / _EXACT for probe, seconds in measured.steps]
        soft = np.sign(steps) * np.sqrt(2.0 * (np.sqrt(1.0 + np.square(steps)) - 1.0))
        return np.concatenate([soft, x / spreads])

    fitted = told(least_squares(off, np.zeros(len(free)), diff_step=0.01, max_nfev=40).x)
    return {name: getattr(fitted, name) for name in free} if measured.steps else {}


def _pairs(values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Four digits of each, in the order of the constants; what is 0 is left out, and what cannot be, as of a busy machine, cut."""
    known = [(field.name, values.get(field.name, 0.0)) for field in fields(Constants)]
    return tuple((name, float(f"{min(max(value, 1 / _MOST), _MOST):.4g}")) for name, value in known if value > 0)
