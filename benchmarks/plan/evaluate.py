"""How far is the planner off, on published measurements of other people's clusters?

    python benchmarks/plan/evaluate.py --rows FILE.csv [--json] [--worst N]

Per family (a row's name before its last dash): mean and median absolute error of step time, bias, rank correlation, regret of the layout
that the planner
would pick among those measured (groups of at least four that differ in layout alone), error of memory, and layouts called to fit that
ran out of it. A row that cannot be predicted counts as an error of 100 % and is named. Costs a second per thousand rows.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from rows import Row, family, read
from scipy.stats import spearmanr

from smelt.plan.constants import Constants
from smelt.plan.memory import Fit, fit
from smelt.plan.step import Estimator

SMALLEST = 4
"""Layouts that a group must have for its choice to count."""
Predicted = tuple[Row, float, float]
"""A row, seconds and bytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, help="measurements, in the schema of plan_tables/rows.csv")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="name the N rows of each family that are farthest off")
    options = parser.parse_args()
    known, unknown = split(options.rows)
    predicted = predict(known, Constants(), unknown)
    tables = {
        name: table(rows, [each for each in unknown if family(each[0]) == name]) for name, rows in by_family(predicted, unknown).items()
    }
    document = {"tables": tables, "unpredicted": [{"row_id": name, "why": why} for name, why in unknown], "assumed": assumed(known)}
    print(json.dumps(document, indent=1) if options.json else show(document))
    for rows in by_family(predicted, []).values() if options.worst else ():
        timed = sorted((each for each in rows if each[0].seconds), key=lambda each: -abs(each[1] / (each[0].seconds or 1) - 1))
        for row, seconds, _ in timed[: options.worst]:
            print(f"{row.name}: {seconds:.4g} s, measured {row.seconds:.4g} s; {row.layout}; assumed {row.assumed or 'nothing'}")


def split(path: Path) -> tuple[list[Row], list[tuple[str, str]]]:
    """Return the rows that can be asked about, and the others with the reason."""
    found = list(read(path))
    return [each for each in found if isinstance(each, Row)], [each for each in found if not isinstance(each, Row)]


def predict(rows: list[Row], constants: Constants, unknown: list[tuple[str, str]] | None = None) -> list[Predicted]:
    """Return seconds and bytes for each row; rows of one question share an estimator. What cannot be computed is added to `unknown`."""
    estimators: dict[object, Estimator] = {}
    done: list[Predicted] = []
    for row in rows:
        key = (row.shape, row.work, row.cluster, row.software)
        one = estimators.get(key) or estimators.setdefault(key, Estimator(*key, constants))
        try:
            stages = one.memory(row.layout)[: 1 if row.first_stage else None]
            found = row, one.step(row.layout).seconds, max(each.total for each in stages)
        except (ValueError, ArithmeticError) as error:
            if unknown is None:
                raise
            unknown.append((row.name, f"{type(error).__name__}: {error}"))
        else:
            done.append(found)
    return done


def by_family(predicted: list[Predicted], unknown: list[tuple[str, str]]) -> dict[str, list[Predicted]]:
    families: dict[str, list[Predicted]] = {family(name): [] for name, _ in unknown}
    for each in predicted:
        families.setdefault(each[0].family, []).append(each)
    return families


def table(rows: list[Predicted], unknown: list[tuple[str, str]]) -> dict[str, float | int | None]:
    """Count the errors of one family. Percent, but for the correlation and the regret, which are ratios."""
    measured = np.array([row.seconds for row, _, _ in rows if row.seconds])
    errors = 100 * (np.array([seconds for row, seconds, _ in rows if row.seconds]) / measured - 1) if len(measured) else np.array([])
    all_errors = np.concatenate([errors, np.full(len(unknown), -100.0)])
    kept = [(row, held) for row, _, held in rows if row.memory_gib]
    memory = [100 * abs(held / (row.memory_gib or 1) / 2**30 - 1) for row, held in kept]
    out = [fit(held, row.cluster.accelerator) for row, _, held in rows if row.out_of_memory]
    regrets = list(regret([each for each in rows if each[0].seconds]))
    varied = len(measured) > 2 and len(set(measured)) > 1 and len(set(errors)) > 1
    ranks = spearmanr(measured, measured * (1 + errors / 100)).statistic if varied else None
    return {
        "n": len(all_errors),
        "mape": _round(np.abs(all_errors).mean()) if len(all_errors) else None,
        "median": _round(np.median(np.abs(all_errors))) if len(all_errors) else None,
        "bias": _round(all_errors.mean()) if len(all_errors) else None,
        "spearman": _round(float(ranks), 3) if ranks is not None else None,
        "regret_mean": _round(float(np.mean(regrets)), 3) if regrets else None,
        "regret_max": _round(max(regrets), 3) if regrets else None,
        "regret_groups": len(regrets),
        "memory_n": len(memory),
        "memory_mape": _round(float(np.mean(memory))) if memory else None,
        "memory_median": _round(float(np.median(memory))) if memory else None,
        "out_of_memory": len(out),
        "false_fits": sum(each is Fit.FITS for each in out),
        "likely_fits": sum(each is Fit.LIKELY for each in out),
        "tight_fits": sum(each is Fit.TIGHT for each in out),
        "false_ooms": sum(fit(held, row.cluster.accelerator) is Fit.TOO_LARGE for row, held in kept),
    }


def regret(rows: list[Predicted]) -> list[float]:
    """Time of the layout that the planner picks, as a multiple of the best that was measured, for each group."""
    groups: dict[object, list[tuple[float, float]]] = defaultdict(list)
    for row, seconds, _ in rows:
        groups[row.group].append((seconds, row.seconds or 0.0))
    return [min(group)[1] / min(taken for _, taken in group) for group in groups.values() if len(group) >= SMALLEST]


def assumed(rows: list[Row]) -> dict[str, int]:
    """What had to be assumed, and for how many rows."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        for one in row.assumed:
            counts[f"{row.family}: {one}"] += 1
    return dict(counts)


def show(document: dict[str, dict[str, dict[str, float | int | None]]]) -> str:
    """Lay the tables out for people."""
    columns = [
        "n",
        "mape",
        "median",
        "bias",
        "spearman",
        "regret_mean",
        "regret_max",
        "memory_n",
        "memory_mape",
        "out_of_memory",
        "false_fits",
    ]
    lines = ["family".ljust(16) + "".join(column.rjust(14) for column in columns)]
    for name, values in document["tables"].items():
        lines.append(name.ljust(16) + "".join(("" if values[c] is None else f"{values[c]:,}").rjust(14) for c in columns))
    lines += [f"not predicted: {each['row_id']}: {each['why']}" for each in document["unpredicted"]]
    return "\n".join(lines)


def _round(value: float, digits: int = 2) -> float:
    return round(float(value), digits)


if __name__ == "__main__":
    main()
