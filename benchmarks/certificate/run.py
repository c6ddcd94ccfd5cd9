"""How often does a certificate lie? Measures the error of the first kind of everything `smelt verify` and `smelt run` certify with.

    python benchmarks/certificate/run.py [--quick] [--out FILE]

Exact where the distribution can be summed, simulated (seeded, with its Monte-Carlo error) where it cannot. Exit 1: a level is exceeded.
"""

import argparse
import itertools
import json
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy
from scipy.special import bdtr
from scipy.stats import binom

from smelt.verify import agreement, order, power, tango
from smelt.verify.bootstrap import drop_interval, joint_cells
from smelt.verify.metrics.confusion import macro_f1

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
CLAIMED = {0.005: 0.054, 0.01: 0.051, 0.02: 0.051}
"""Tango's test approximates 5 %. By margin: what README.md claims of its exact error, for n >= 800. The agreement test is exact: 5 %."""
CLAIMED_IN_CORNER = 0.063
"""The same where nothing can be won at all, disagreement = margin."""
SIGMAS = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions, below a minute")
    parser.add_argument("--out", type=Path, help="write results.json here; without it only the tables are printed")
    options = parser.parse_args()
    start = time.perf_counter()
    single = single_tests(quick=options.quick)
    results = {
        "single_test": single,
        "label_free": label_free(quick=options.quick),
        "procedure": procedures(quick=options.quick),
        "macro_f1_bootstrap": bootstrap_coverage(quick=options.quick),
        "machine": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__, "cpu": platform.machine()},
        "date": datetime.now(UTC).date().isoformat(),
        "quick": options.quick,
        "seconds": round(time.perf_counter() - start, 1),
    }
    exceeded = faults(results)
    show(results)
    if options.out:
        options.out.write_text(json.dumps(results | {"exceeded": exceeded}, indent=1) + "\n", encoding="utf-8")
    print("\n".join(["", *(exceeded or ["Every level is held."])]))
    return 1 if exceeded else 0


def sizes(*, quick: bool) -> list[int]:
    if quick:
        return [800, 1000, 2000, 5000, 10_000, 25_000, *range(850, 2500, 150)]
    return [*range(800, 2500, 3), *range(2500, 10_000, 83), *range(10_000, 25_001, 500)]


def single_tests(*, quick: bool) -> list[dict]:
    """Exact probability to certify a candidate whose true drop is the margin, over n; and of the rule "observed drop <= margin"."""
    rows = []
    for margin, disagreement in ((edge, at) for edge in CLAIMED for at in disagreements(edge)):
        errors = {n: error_of_tango(n, margin, disagreement) for n in sizes(quick=quick)}
        worst = max(errors, key=errors.__getitem__)
        rows.append({
            "margin_points": 100 * margin,
            "disagreement_points": round(100 * disagreement, 3),
            "corner": disagreement == margin,
            "claimed": CLAIMED_IN_CORNER if disagreement == margin else CLAIMED[margin],
            "sizes": len(errors),
            "mean": float(np.mean(list(errors.values()))),
            "max": errors[worst],
            "at_n": worst,
            "point_rule_at_2000": error_of_point_rule(2000, margin, disagreement),
        })  # fmt: skip
    return rows


def disagreements(margin: float) -> list[float]:
    """1 to 12 %, as far as they allow the drop, and close to the corner where they do not allow any win."""
    return sorted({margin, 1.1 * margin, 1.5 * margin} | {at for at in (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12) if at > 1.1 * margin})


def error_of_tango(n: int, margin: float, disagreement: float) -> float:
    return power.certificate_probability(n, margin=margin, confidence=CONFIDENCE, drop=margin, disagreement=disagreement)


def error_of_point_rule(n: int, margin: float, disagreement: float) -> float:
    """Sum P(lost - won <= n * margin) over the number of discordant pairs."""
    discordant = np.arange(n + 1)
    most = np.minimum(np.floor((discordant + n * margin + 1e-9) / 2), discordant)
    return float((binom.pmf(discordant, n, disagreement) * bdtr(most, discordant, (disagreement + margin) / (2 * disagreement))).sum())


def label_free(*, quick: bool) -> list[dict]:
    """Exact error of the agreement certificate in its worst case: every changed answer is lost, so drop = disagreement = margin."""
    rows = []
    for margin in (0.005, 0.01, 0.02):
        most = {n: agreement.most_changed(n, margin, CONFIDENCE) for n in sizes(quick=quick)}
        errors = {n: 0.0 if k is None else float(binom.cdf(k, n, margin)) for n, k in most.items()}
        worst = max(errors, key=errors.__getitem__)
        rows.append({"margin_points": 100 * margin, "max": errors[worst], "at_n": worst, "mean": float(np.mean(list(errors.values())))})
    return rows


def procedures(*, quick: bool) -> list[dict]:
    """The whole product procedure with 30 candidates: dev orders, confirm tests at most three, the cheapest certified one ships."""
    repetitions = 120 if quick else 3000
    rng = np.random.default_rng(20240607)
    rows = []
    for world, n in itertools.product(("half too bad", "all at the margin"), (1000, 3000) if quick else (1000, 2000, 5000)):
        drops = np.full(30, 0.01) if world == "all at the margin" else np.r_[np.linspace(0.02, 0.01, 15), np.linspace(0.0099, -0.002, 15)]
        outcomes = np.array([simulate_run(n, drops, rng) for _ in range(repetitions)])
        false, none, point_rule, saved = outcomes.mean(axis=0)
        error = float(np.sqrt(max(false, ALPHA) * (1 - max(false, ALPHA)) / repetitions))
        rows.append({
            "world": world, "n_dev": n, "n_confirm": n, "repetitions": repetitions, "false_certificates": float(false),
            "monte_carlo_error": error, "nothing_certified": float(none), "point_rule_false": float(point_rule),
            "mean_log2_saving": float(saved),
        })  # fmt: skip
    return rows


def simulate_run(n: int, drops: np.ndarray, rng: np.random.Generator, margin: float = 0.01) -> tuple[bool, bool, bool, float]:
    """Return: a false certificate was given, none was given, the point rule ships a bad one, log2 of the saved cost."""
    disagreements = 0.02 + 2 * np.abs(drops)
    shares = np.stack([(disagreements + drops) / 2, (disagreements - drops) / 2, 1 - disagreements], axis=1)
    dev, confirm = rng.multinomial(n, shares), rng.multinomial(n, shares)
    costs = np.geomspace(0.02, 0.8, len(drops))  # the cheapest comes first and is, where they differ, the worst
    results = [order.DevResult(name=str(i), cost=float(costs[i]), lost=int(dev[i, 0]), won=int(dev[i, 1]), n=n) for i in range(len(drops))]
    plan = order.plan_tests(results, reference_cost=1.0, n_confirm=n, margin=margin, confidence=CONFIDENCE)
    reached = order.fixed_sequence(judge(int(planned.name), confirm, n, margin) for planned in plan)
    certified = [verdict.index for verdict in reached if verdict.certified]
    passing = np.flatnonzero(confirm[:, 0] - confirm[:, 1] <= n * margin)
    point_rule = bool(len(passing)) and drops[passing[0]] >= margin
    saved = -np.log2(costs[certified[-1]]) if certified else 0.0
    return any(drops[index] >= margin for index in certified), not certified, point_rule, float(saved)


def judge(index: int, counts: np.ndarray, n: int, margin: float) -> SimpleNamespace:
    p_value = tango.p_value(int(counts[index, 0]), int(counts[index, 1]), n, margin)
    return SimpleNamespace(index=index, certified=p_value <= ALPHA)


def bootstrap_coverage(*, quick: bool) -> list[dict]:
    """How often the paired bootstrap's interval for macro-F1 holds the population's drop. Four classes of unequal size."""
    repetitions, resamples = (60, 500) if quick else (1000, 2000)
    rng = np.random.default_rng(20240608)
    rows = []
    for n in (500, 2000):
        truth, population = macro_f1_population()
        inside = below = 0
        for _ in range(repetitions):
            kinds = rng.choice(len(population), size=n, p=population)
            label, reference, candidate = np.unravel_index(kinds, (4, 4, 4))
            cells = joint_cells(label, reference, candidate, 4)
            estimate = drop_interval(cells, macro_f1, confidence=0.9, rng=rng, resamples=resamples)
            inside += estimate.lower <= truth <= estimate.upper
            below += truth <= estimate.upper
        rows.append({
            "n": n, "repetitions": repetitions, "resamples": resamples, "nominal_two_sided": 0.9, "covered": inside / repetitions,
            "nominal_upper": 0.95, "upper_covered": below / repetitions,
        })  # fmt: skip
    return rows


def macro_f1_population() -> tuple[float, np.ndarray]:
    """Joint shares of (label, reference, candidate): the reference is 92 % right, the candidate copies 95 % of its answers."""
    priors, right, copied = np.array([0.5, 0.3, 0.15, 0.05]), 0.92, 0.95
    reference = np.full((4, 4), (1 - right) / 3) + np.eye(4) * (right - (1 - right) / 3)
    candidate = np.full((4, 4), (1 - copied) / 3) + np.eye(4) * (copied - (1 - copied) / 3)
    joint = priors[:, None, None] * reference[:, :, None] * candidate[None, :, :]
    return float(macro_f1(joint.sum(axis=2)) - macro_f1(joint.sum(axis=1))), joint.ravel()


def faults(results: dict) -> list[str]:
    found = []
    for row in results["single_test"]:
        if row["max"] > row["claimed"]:
            found.append(f"single test: {row} is above what is claimed")
    found += [f"label-free: {row} is above {ALPHA}" for row in results["label_free"] if row["max"] > ALPHA + 1e-12]
    for row in results["procedure"]:
        if row["false_certificates"] > ALPHA + SIGMAS * row["monte_carlo_error"]:
            found.append(f"procedure: {row} is above {ALPHA} by more than {SIGMAS:g} Monte-Carlo errors")
    return found


def show(results: dict) -> None:
    print("One test, true drop = margin: exact probability of a certificate, nominal 0.05 (* nothing can be won)")
    print("margin  disagreement    mean    max    (at n)   claimed   rule 'observed drop <= margin', n = 2000")
    for row in results["single_test"]:
        star = "*" if row["corner"] else " "
        print(
            f"{row['margin_points']:5.1f}  {row['disagreement_points']:9.2f} {star}  {row['mean']:.4f}  {row['max']:.4f} ({row['at_n']:5d})"
            f"  {row['claimed']:.3f}     {row['point_rule_at_2000']:.3f}"
        )
    print("\nWithout labels, every changed answer lost: exact probability of a certificate, nominal 0.05")
    for row in results["label_free"]:
        print(f"{row['margin_points']:5.1f}                mean {row['mean']:.4f}  max {row['max']:.4f} ({row['at_n']})")
    print("\nWhole procedure, 30 candidates, margin 1.0: share of runs with a false certificate (Monte-Carlo error)")
    print("world                  n  false            nothing certified  halvings of cost  the point rule ships a bad one")
    for row in results["procedure"]:
        print(
            f"{row['world']:18s} {row['n_confirm']:5d}  {row['false_certificates']:.4f} ({row['monte_carlo_error']:.4f})  "
            f"{row['nothing_certified']:.3f}              {row['mean_log2_saving']:.2f}              {row['point_rule_false']:.3f}"
        )
    print("\nMacro-F1, paired BCa bootstrap, an estimate: coverage of the drop in the population")
    for row in results["macro_f1_bootstrap"]:
        print(
            f"n {row['n']:5d}  two-sided 0.90: {row['covered']:.3f}  upper 0.95: {row['upper_covered']:.3f}  ({row['repetitions']} samples)"
        )
    print(f"\n{results['seconds']} s")


if __name__ == "__main__":
    sys.exit(main())
