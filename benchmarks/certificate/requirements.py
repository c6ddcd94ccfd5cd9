"""How often are the requirements beside accuracy passed by a candidate that breaks them by nothing, its true drop being the margin?

    python benchmarks/certificate/requirements.py [--quick] [--out FILE]

Simulated, seeded, with the Monte-Carlo error; nominal 5 %. What stays at 5 % within three Monte-Carlo errors everywhere might be called a
certificate; what does not is an estimate, and smelt calls it one. About one minute, `--quick` ten seconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from smelt.verify import tango
from smelt.verify.auroc import auroc, auroc_drop
from smelt.verify.bootstrap import drop_interval, joint_cells
from smelt.verify.clustered import drop_test
from smelt.verify.metrics.confusion import macro_f1

CONFIDENCE, ALPHA = 0.95, 0.05
PRIORS = np.array([0.5, 0.3, 0.15, 0.05])
COSTS = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [20, 5, 5, 0]], float)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    times, started = (200 if options.quick else 2000), time.perf_counter()
    rows = []
    for n in (500, 2000):
        rows.append(row("macro_f1", n, times, _bootstrapped(macro_f1, n)))
        rows.append(row("cost", n, times, _bootstrapped(lambda table: -_mean_cost(table), n)))
        rows.append(row("auroc", n, times, _auroc(n)))
        rows.append(row("recall of a class of 1 in 20", n, times, _recall(n)))
    for groups, size in ((50, 20), (200, 5), (1000, 2)):
        name = f"accuracy, {groups} groups of {size}"
        rows.append(row(f"{name}: Tango alone", groups * size, times, _clustered(groups, size, tango_alone=True)))
        rows.append(row(f"{name}: the stricter of the two", groups * size, times, _clustered(groups, size, tango_alone=False)))
    print("what                                                n      passes at the margin (Monte-Carlo error)")
    for one in rows:
        print(f"{one['what']:50s} {one['n']:5d}   {one['error']:.4f} ({one['monte_carlo_error']:.4f})")
    result = {"rows": rows, "seconds": round(time.perf_counter() - started, 1), "quick": options.quick}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def row(what: str, n: int, times: int, passes: Callable[[np.random.Generator], bool]) -> dict:
    """Count how often the test passes."""
    rng = np.random.default_rng(20261125)
    error = float(np.mean([passes(rng) for _ in range(times)]))
    return {
        "what": what,
        "n": n,
        "error": error,
        "monte_carlo_error": float(np.sqrt(max(error, 0.01) * (1 - error) / times)),
        "times": times,
    }


def _population() -> np.ndarray:
    """Joint shares of (label, reference, candidate): the reference is 92 % right, the candidate copies 95 % of its answers."""
    right, copied = 0.92, 0.95
    reference = np.full((4, 4), (1 - right) / 3) + np.eye(4) * (right - (1 - right) / 3)
    candidate = np.full((4, 4), (1 - copied) / 3) + np.eye(4) * (copied - (1 - copied) / 3)
    return PRIORS[:, None, None] * reference[:, :, None] * candidate[None, :, :]


def _mean_cost(table: np.ndarray) -> np.ndarray:
    return (table * COSTS).sum(axis=(-2, -1)) / table.sum(axis=(-2, -1))


def _bootstrapped(metric: Callable, n: int) -> Callable[[np.random.Generator], bool]:
    joint = _population()
    truth = float(metric(joint.sum(axis=2)) - metric(joint.sum(axis=1)))

    def passes(rng: np.random.Generator) -> bool:
        label, reference, candidate = np.unravel_index(rng.choice(joint.size, size=n, p=joint.ravel()), joint.shape)
        cells = joint_cells(label, reference, candidate, 4)
        return drop_interval(cells, metric, confidence=2 * CONFIDENCE - 1, rng=rng, resamples=1000).upper < truth

    return passes


def _auroc(n: int) -> Callable[[np.random.Generator], bool]:
    def draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = rng.choice(4, size=size, p=PRIORS)
        ours = 2.2 * np.eye(4)[labels] + rng.normal(size=(size, 4))
        return labels, ours, ours + 0.6 * rng.normal(size=(size, 4))

    labels, ours, theirs = draw(np.random.default_rng(1), 2_000_000)
    truth = auroc(ours, labels) - auroc(theirs, labels)

    def passes(rng: np.random.Generator) -> bool:
        labels, ours, theirs = draw(rng, n)
        return auroc_drop(ours, theirs, labels, confidence=CONFIDENCE)[1] < truth

    return passes


def _recall(n: int) -> Callable[[np.random.Generator], bool]:
    margin, disagreement = 0.03, 0.07

    def passes(rng: np.random.Generator) -> bool:
        rare = int(rng.binomial(n, PRIORS[3]))
        lost, won, _ = rng.multinomial(rare, [(disagreement + margin) / 2, (disagreement - margin) / 2, 1 - disagreement])
        return rare > 0 and tango.p_value(int(lost), int(won), rare, margin) <= ALPHA

    return passes


def _clustered(groups: int, size: int, *, tango_alone: bool) -> Callable[[np.random.Generator], bool]:
    """Rows of a group are lost with a chance of their own, drawn from a beta distribution; the mean drop is the margin."""
    lost, won, concentration = 0.035, 0.015, 8.0
    margin = lost - (1 - lost) * won

    def passes(rng: np.random.Generator) -> bool:
        chance = rng.beta(lost * concentration, (1 - lost) * concentration, size=groups)
        lost_GS = rng.random((groups, size)) < chance[:, None]
        won_GS = ~lost_GS & (rng.random((groups, size)) < won)
        loss = (lost_GS.astype(int) - won_GS).ravel()
        p_value = tango.p_value(int((loss > 0).sum()), int((loss < 0).sum()), len(loss), margin)
        if not tango_alone:
            p_value = max(p_value, drop_test(loss, np.repeat(np.arange(groups), size), margin, CONFIDENCE)[0])
        return p_value <= ALPHA

    return passes


if __name__ == "__main__":
    sys.exit(main())
