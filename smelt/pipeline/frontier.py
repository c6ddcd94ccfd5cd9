"""The frontier: what every candidate costs and scores, and why each was chosen or lost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from smelt.compress.limits import breaches
from smelt.compress.trial import Trial
from smelt.data.dataset import Dataset
from smelt.language import say
from smelt.pipeline.context import Context
from smelt.pipeline.cost import cost_of
from smelt.pipeline.reference import DEV, Reference
from smelt.tasks.classify import load_codec
from smelt.types import Candidate, Timing, Verdict
from smelt.verify.sentence import named


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the candidates compete with."""

    dataset: Dataset
    """Its confirm split is opened in this stage and nowhere else."""
    reference: Reference
    floor: Path
    """Stage folder of the floor."""
    trials: Sequence[Trial]
    reference_timing: Timing | None
    """fp32 PyTorch, dynamic length; None where the reference is a file of answers."""


def frontier(
    context: Context, bench: Bench, tested: Sequence[Verdict], chosen: str | None, timings: dict[str, Timing]
) -> list[Candidate]:  # fmt: skip
    """Put together the entries of frontier.json: reference, floor, then every candidate with the reason for its fate."""
    verdicts = {verdict.candidate: verdict for verdict in tested}
    floor = Candidate(
        name="floor", steps=[say("TF-IDF and a linear classifier")], runtime="numpy", precision="fp32", dev_score=floor_dev(bench),
        why=say("the floor: what a model has to beat to be worth its cost"),
    )  # fmt: skip
    entries = [_reference_entry(context, bench, timings.get("reference", bench.reference_timing)), floor]
    for trial in bench.trials:
        candidate, verdict = trial.candidate, verdicts.get(trial.candidate.name)
        if candidate.name in timings:
            candidate = _timed(candidate, timings[candidate.name])
        certified = verdict.certified if verdict else None
        why = _why(context, trial, verdict, chosen, [verdict.candidate for verdict in tested])
        entries.append(replace(candidate, certified=certified, chosen=candidate.name == chosen, why=why))
    return entries


def cost(context: Context, candidate: Candidate) -> float:
    """Return what a candidate costs, in the unit that the recipe minimizes."""
    assert candidate.latency_ms_p50 is not None
    assert candidate.examples_per_s is not None
    return cost_of(
        context.recipe.compress,
        latency_ms=candidate.latency_ms_p50,
        examples_per_s=candidate.examples_per_s,
        size_bytes=candidate.size_bytes or 0,
    )


def reference_cost(context: Context, bench: Bench, costs: Sequence[float]) -> float:
    """Return what candidates have to stay below. Answers from a file have an unknown cost: more than any candidate's."""
    timing = bench.reference_timing
    if timing is None:
        return 2 * max(costs, default=1.0)
    return cost_of(
        context.recipe.compress,
        latency_ms=timing.latency_ms_p50,
        examples_per_s=timing.examples_per_s,
        size_bytes=_reference_bytes(context),
    )


def floor_dev(bench: Bench) -> float:
    """Return the accuracy of the floor on dev. Fraction."""
    scores, names = load_file(bench.floor / DEV)["scores"], load_codec(bench.floor / "bundle").labels  # not always in the reference's order
    right = [names[best] == label for best, label in zip(scores.argmax(1), bench.dataset.dev.labels, strict=True)]
    return float(np.mean(right))


def _reference_entry(context: Context, bench: Bench, timing: Timing | None) -> Candidate:
    entry = Candidate(
        name="reference", steps=[], runtime="torch", precision="fp32", dev_score=bench.reference.dev_score, agreement=1.0,
        why=say("the model to match"),
    )  # fmt: skip
    if timing is None:
        return replace(entry, runtime="predictions", precision="unknown", why=say("the answers to match: a file, so nothing to time"))
    return _timed(replace(entry, size_bytes=_reference_bytes(context)), timing)


def _why(context: Context, trial: Trial, verdict: Verdict | None, chosen: str | None, tested: Sequence[str | None]) -> str:
    """Say in one sentence why a candidate was chosen, or why it lost."""
    candidate = trial.candidate
    if trial.dev_scores is None:
        return candidate.why
    broken = breaches(candidate, context.recipe.compress.limits)
    if broken and verdict is None:
        return say("left out: {breaches}", breaches="; ".join(breach.told for breach in broken))
    if candidate.name == chosen:
        return say("chosen: the cheapest certified candidate")
    if verdict and verdict.certified:
        return say("certified, and costlier than {chosen}", chosen=chosen)
    broken_too = [named(one) for one in verdict.requirements if not one.kept] if verdict else []
    if broken_too:
        return say("failed on confirm: did not keep {names}", names=", ".join(broken_too))
    if verdict:
        return say(
            "failed on confirm: the drop may be as large as {upper:.2f} points, the margin is {margin}",
            upper=verdict.upper_points or 0.0,
            margin=verdict.margin_points,
        )
    return say(
        "not tested on confirm: {agreement:.1%} agreement on dev at {cost:.3g} {unit} promised less than {tested}",
        agreement=candidate.agreement or 0.0,
        cost=cost(context, candidate),
        unit={"size": "bytes", "weighted": ""}.get(context.recipe.compress.minimize, "ms"),
        tested=", ".join(filter(None, tested)) or say("the reference"),
    )


def _timed(candidate: Candidate, timing: Timing) -> Candidate:
    facts = asdict(timing)
    facts.pop("latency_threads")
    return replace(candidate, **facts)


def _reference_bytes(context: Context) -> int:
    return sum(path.stat().st_size for path in (context.run.path / "train" / "model").iterdir())
