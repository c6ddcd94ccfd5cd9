"""Fit the cost model's few constants to published measurements, each family with the same say, each constant drawn to what physics expects.

    python benchmarks/plan/fit.py --rows FILE.csv [--without FAMILY]... [--evaluations 12]

Least squares over the logarithms of step times (soft L1: an outlier pulls no more than a good row), plus the distance of each constant
from where it
starts, in standard deviations of a log-normal prior: a constant that no row speaks of stays. Prints the constants, the sustained share
of each
generation, and the errors, those of the families left out first. Costs a minute or two on one core; `--without` shows what the model is
worth on a family that it has never seen.
"""

import argparse
import random
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from evaluate import by_family, predict, show, split, table
from rows import Row
from scipy.optimize import least_squares

from smelt.plan.constants import Constants

START = replace(
    Constants(), tile_depth=128.0, wave=0.5, ragged=0.8, odd=0.5, stream=0.8, gap_us=3.0, host_us=30.0, host_spread=0.2,
    micro_batch_us=1000.0, link=0.75, network=0.8, link_us=10.0, network_us=20.0, untuned=0.8, untuned_flash=0.6, flash=0.65,
    flash_width=32.0, flash_backward=0.8, exposed=0.3, tensor_exposed=0.6, fp8=0.85, loss_bytes=50.0, optimizer_bytes=30.0, step_ms=5.0,
)  # fmt: skip
"""Where each constant would stand without any row: what operators, collectives and optimizers are known to take. The fit starts here, not
from its own last result, so that a family that is left out leaves no trace."""
SPREAD = {
    "tile_depth": 0.5, "wave": 0.4, "ragged": 0.1, "odd": 0.2, "stream": 0.15, "gap_us": 0.5, "host_us": 0.7, "host_spread": 0.7,
    "micro_batch_us": 1.0, "link": 0.2, "network": 0.2, "link_us": 0.7, "network_us": 0.7, "untuned": 0.15, "untuned_flash": 0.2,
    "flash": 0.2, "flash_width": 0.5, "flash_backward": 0.2, "exposed": 0.6, "tensor_exposed": 0.4, "fp8": 0.2, "loss_bytes": 0.5,
    "optimizer_bytes": 0.3, "step_ms": 0.8,
}  # fmt: skip
"""How far each constant may lie from its start: a standard deviation of its logarithm."""
SUSTAINED = {2017: 0.75, 2020: 0.85, 2022: 0.75, 2024: 0.65}
SUSTAINED_SPREAD = 0.1
WEIGHT = {"mtnlg": 0.5, "llama3-t4": 0.2, "automodel": 0.3}
"""Families of one or three rows say less."""
MOST = 250
"""Rows of one family that are fitted to: neighbors in a sweep say the same."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--without", action="append", default=[], metavar="FAMILY", help="leave this family out of the fit")
    parser.add_argument("--evaluations", type=int, default=12, help="of the Jacobian at most; 0: the values that the fit starts from")
    options = parser.parse_args()
    known, _ = split(options.rows)
    rows = _thin([row for row in known if row.seconds and row.family not in options.without])
    names, years = list(SPREAD), list(SUSTAINED)
    counts = Counter(row.family for row in rows)
    measured = np.log([row.seconds for row in rows if row.seconds])
    weights = np.array([WEIGHT.get(row.family, 1.0) * np.sqrt(min(counts[row.family], 60) / 8 / counts[row.family]) for row in rows])
    spreads = np.array([*SPREAD.values(), *[SUSTAINED_SPREAD] * len(years)])

    def residuals(x: np.ndarray) -> np.ndarray:
        constants, sustained = _unpack(x, names, years)
        found = np.log([seconds for _, seconds, _ in predict([_on(row, sustained) for row in rows], constants)])
        off = (found - measured) / 0.06
        soft = np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1))
        return np.concatenate([3 * weights * soft, x / spreads])

    x = np.zeros(len(names) + len(years))
    if options.evaluations:
        x = least_squares(residuals, x, diff_step=0.01, max_nfev=options.evaluations, x_scale=0.1).x
    constants, sustained = _unpack(x, names, years)
    print({name: float(f"{getattr(constants, name):.3g}") for name in names})
    print({year: round(share, 3) for year, share in sustained.items()})
    tables = by_family(predict([_on(row, sustained) for row in known], constants), [])
    order = [*options.without, *(name for name in tables if name not in options.without)]
    print(show({"tables": {name: table(tables[name], []) for name in order}, "unpredicted": []}))


def _unpack(x: np.ndarray, names: list[str], years: list[int]) -> tuple[Constants, dict[int, float]]:
    known = {field.name for field in fields(Constants)}
    changed = {name: getattr(START, name) * float(np.exp(value)) for name, value in zip(names, x, strict=False) if name in known}
    changed = {name: min(1.0, value) if name in ("link", "network", "stream") else value for name, value in changed.items()}
    return replace(START, **changed), {year: SUSTAINED[year] * float(np.exp(v)) for year, v in zip(years, x[len(names) :], strict=True)}


def _on(row: Row, sustained: dict[int, float]) -> Row:
    accelerator = replace(row.cluster.accelerator, sustained=sustained[row.cluster.accelerator.generation])
    return replace(row, cluster=replace(row.cluster, accelerator=accelerator))


def _thin(rows: list[Row]) -> list[Row]:
    drawn = random.Random(0)
    kept: list[Row] = []
    for name in sorted({row.family for row in rows}):
        there = [row for row in rows if row.family == name]
        kept += there if len(there) <= MOST else drawn.sample(there, MOST)
    return kept


if __name__ == "__main__":
    main()
