"""The `verify` stage: which candidates are tested on confirm, their verdicts, the choice, and its timing against the reference."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from smelt.compress.search import Trial
from smelt.data.dataset import Dataset, Split
from smelt.language import say
from smelt.models.session import LiveSession
from smelt.pipeline.context import Context
from smelt.pipeline.cost import cost_of
from smelt.pipeline.reference import DEV, Reference
from smelt.run.folder import code_version
from smelt.run.state import state_folder
from smelt.runtime.bench import combine
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.clock import BUNDLES, read_workload
from smelt.runtime.isa import cores, isa
from smelt.tasks.classify import ClassifyCodec
from smelt.types import Candidate, Prediction, Session, Timing, Verdict
from smelt.verify.compare import Context as Said
from smelt.verify.compare import compare
from smelt.verify.ledger import Opening, openings, record
from smelt.verify.metrics.calibration import expected_calibration_error
from smelt.verify.order import DevResult, decisive, fixed_sequence, plan_tests
from smelt.verify.predictions import predictions_sha256, read, write

_LOG = logging.getLogger("smelt")
WORKLOAD = "compress/workload.json"
LIVE = "smelt.train.clock"
"""Module that times the live reference."""
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What the stage leaves: the verdict, and every candidate with what became of it."""

    verdict: Verdict
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the candidates compete with."""

    dataset: Dataset
    """Its confirm split is opened in this stage and nowhere else."""
    reference: Reference
    floor: Path
    """Stage folder of the floor."""
    trials: Sequence[Trial]
    reference_timing: Timing
    """fp32 PyTorch, dynamic length."""


def judge(context: Context, bench: Bench) -> Judgment:
    """Run the stage: plan the tests on dev, open confirm, choose, time the choice against the reference, write everything down."""
    tested = _test_on_confirm(context, bench, _plan(context, bench))
    verdict = decisive(tested) if tested else _nothing_cheaper(context, bench)
    chosen = verdict.candidate if verdict.certified else None
    timings = _race(context, bench, chosen) if chosen else {}
    candidates = _frontier(context, bench, tested, chosen, timings)
    context.run.write_json("frontier.json", {"candidates": [asdict(candidate) for candidate in candidates]})
    _write_verdict(context, bench, verdict, tested)
    return Judgment(verdict=verdict, candidates=candidates)


def _plan(context: Context, bench: Bench) -> list[str]:
    """Choose from dev alone which candidates are tested, the safest first."""
    section, minimize = context.recipe.verify, context.recipe.compress.minimize
    truth, own = bench.reference.dev.labels, bench.reference.dev_scores.argmax(1)
    results = []
    for trial in bench.trials:
        if trial.dev_scores is not None:
            theirs = trial.dev_scores.argmax(1)
            lost, won = int(((own == truth) & (theirs != truth)).sum()), int(((own != truth) & (theirs == truth)).sum())
            results.append(DevResult(name=trial.candidate.name, cost=_cost(context, trial.candidate), lost=lost, won=won, n=len(truth)))
    timing = bench.reference_timing
    reference_cost = cost_of(
        minimize, latency_ms=timing.latency_ms_p50, examples_per_s=timing.examples_per_s, size_bytes=_reference_bytes(context)
    )
    planned = plan_tests(
        results,
        reference_cost=reference_cost,
        n_confirm=len(bench.dataset.confirm),
        margin=section.margin_points / 100,
        confidence=section.confidence,
        most=section.candidates,
    )
    return [plan.name for plan in planned]


def _test_on_confirm(context: Context, bench: Bench, names: Sequence[str]) -> list[Verdict]:
    """Open confirm: the reference, the floor, then one candidate after the other until one fails."""
    run, section, confirm = context.run, context.recipe.verify, bench.dataset.confirm
    model = bench.reference.model
    _predict(context, "reference", model.codec, confirm, LiveSession(model.network, threads=cores()))
    floor_score = _floor_score(context, bench)

    def verdicts() -> Iterator[Verdict]:
        for name in names:
            context.watch.stage("verify", say("tests {name} on confirm", name=name))
            bundle = open_bundle(run.path / "compress" / name / "bundle")
            _predict(context, name, bundle.codec, confirm, bundle.session)
            reference, candidate = (read(run.path / "predictions" / f"{one}.jsonl") for one in ("reference", name))
            said = Said(
                candidate=name,
                floor_score=floor_score,
                floor_dev=_floor_dev(bench),
                reference_dev=_dev_score(bench),
                isa=isa(),
            )
            verdict = compare(reference, candidate, margin_points=section.margin_points, confidence=section.confidence, context=said)
            opening = Opening(
                data_sha256=verdict.data_sha256,
                predictions_sha256=predictions_sha256(candidate),
                run=context.recipe.name,
                time=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            record(state_folder(), opening, run.disk)
            yield verdict

    return fixed_sequence(verdicts())


def _predict(context: Context, name: str, codec: ClassifyCodec, split: Split, session: Session) -> Path:
    """Write a predictions file on confirm, unless it stands there from the same model and data."""
    place = "train" if name == "reference" else f"compress/{name}"
    inputs = {
        "data": context.run.digest("data"),
        "model": context.run.digest(place),
        "code": code_version("runtime", "tasks"),
        "isa": isa(),
    }

    def rows() -> Iterator[Prediction]:
        identities, labels = split.ids, split.labels
        for start in range(0, len(split), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(split)))
            answers = codec.decode(score_texts(session, codec, split.texts(part)))
            for row, (identity, label) in enumerate(zip(identities[part], labels[part], strict=True)):
                yield Prediction(id=identity, label=label, prediction=answers.predictions[row], scores=answers.probabilities[row].tolist())

    return context.run.file(f"predictions/{name}.jsonl", inputs, lambda path: write(path, rows(), context.run.disk))


def _race(context: Context, bench: Bench, chosen: str) -> dict[str, Timing]:
    """Time reference and choice again, alternating, each round in a fresh process."""
    run, rounds = context.run, context.recipe.verify.bench_rounds
    inputs = {"train": run.digest("train"), "chosen": run.digest(f"compress/{chosen}"), "rounds": rounds, "isa": isa()}

    def fill(folder: Path, _work: Path) -> None:
        laps: dict[str, list[Timing]] = {"reference": [], chosen: []}
        load = folder / "workload.json"
        load.write_text(json.dumps(asdict(replace(read_workload(run.path / WORKLOAD), rounds=1))), encoding="utf-8")
        for lap in range(rounds):
            context.watch.stage("verify", say("timing round {lap} of {rounds}", lap=lap + 1, rounds=rounds))
            laps["reference"].append(context.clock(run.path / "train" / "model", load, LIVE))
            laps[chosen].append(context.clock(run.path / "compress" / chosen / "bundle", load, BUNDLES))
        (folder / "timing.json").write_text(json.dumps({name: asdict(combine(times)) for name, times in laps.items()}), encoding="utf-8")

    folder = run.stage("compress/race", inputs, fill)
    return {name: Timing(**facts) for name, facts in json.loads((folder / "timing.json").read_text(encoding="utf-8")).items()}


def _frontier(
    context: Context, bench: Bench, tested: Sequence[Verdict], chosen: str | None, timings: dict[str, Timing]
) -> list[Candidate]:  # fmt: skip
    """Put together the entries of frontier.json: reference, floor, then every candidate with the reason for its fate."""
    verdicts = {verdict.candidate: verdict for verdict in tested}
    reference = Candidate(
        name="reference", steps=[], runtime="torch", precision="fp32", dev_score=_dev_score(bench), agreement=1.0,
        size_bytes=_reference_bytes(context), why=say("the model to match"),
    )  # fmt: skip
    floor = Candidate(
        name="floor", steps=[say("TF-IDF and a linear classifier")], runtime="numpy", precision="fp32", dev_score=_floor_dev(bench),
        why=say("the floor: what a model has to beat to be worth its cost"),
    )  # fmt: skip
    entries = [_timed(reference, timings.get("reference", bench.reference_timing)), floor]
    for trial in bench.trials:
        candidate, verdict = trial.candidate, verdicts.get(trial.candidate.name)
        if candidate.name in timings:
            candidate = _timed(candidate, timings[candidate.name])
        certified = verdict.certified if verdict else None
        why = _why(context, trial, verdict, chosen, [verdict.candidate for verdict in tested])
        entries.append(replace(candidate, certified=certified, chosen=candidate.name == chosen, why=why))
    return entries


def _why(context: Context, trial: Trial, verdict: Verdict | None, chosen: str | None, tested: Sequence[str | None]) -> str:
    """Say in one sentence why a candidate was chosen, or why it lost."""
    candidate = trial.candidate
    if trial.dev_scores is None:
        return candidate.why
    if candidate.name == chosen:
        return say("chosen: the cheapest certified candidate")
    if verdict and verdict.certified:
        return say("certified, and costlier than {chosen}", chosen=chosen)
    if verdict:
        return say(
            "failed on confirm: the drop may be as large as {upper:.2f} points, the margin is {margin}",
            upper=verdict.upper_points or 0.0,
            margin=verdict.margin_points,
        )
    return say(
        "not tested on confirm: {agreement:.1%} agreement on dev at {cost:.3g} {unit} promised less than {tested}",
        agreement=candidate.agreement or 0.0,
        cost=_cost(context, candidate),
        unit="bytes" if context.recipe.compress.minimize == "size" else "ms",
        tested=", ".join(filter(None, tested)) or say("the reference"),
    )


def _write_verdict(context: Context, bench: Bench, verdict: Verdict, tested: Sequence[Verdict]) -> None:
    run = context.run
    names = ["reference", *([verdict.candidate] if verdict.candidate else [])]
    details = {
        "openings": [asdict(opening) for opening in openings(state_folder(), verdict.data_sha256)],
        "dev": {"n": len(bench.reference.dev), "reference_score": _dev_score(bench), "floor_score": _floor_dev(bench)},
        "calibration_error": {name: _calibration_error(context, bench, name) for name in names},
    }
    run.write_json("verify/tests.json", [asdict(one) for one in tested])
    run.write_json("verify/details.json", details)
    run.write_json("verify/verdict.json", asdict(verdict))


def _nothing_cheaper(context: Context, bench: Bench) -> Verdict:
    """Return the verdict of a run in which no candidate was cheaper than the reference."""
    path = context.run.path / "predictions" / "reference.jsonl"
    section = context.recipe.verify
    said = Said(floor_score=_floor_score(context, bench), floor_dev=_floor_dev(bench), reference_dev=_dev_score(bench), isa=isa())
    verdict = compare(read(path), read(path), margin_points=section.margin_points, confidence=section.confidence, context=said)
    return replace(
        verdict, certified=False, candidate=None, candidate_score=None, drop_points=None, upper_points=None, lost=None, won=None,
        p_value=1.0,
        sentence=say("Not certified: no candidate was cheaper than the reference."),
    )  # fmt: skip


def _timed(candidate: Candidate, timing: Timing) -> Candidate:
    facts = asdict(timing)
    facts.pop("latency_threads")
    return replace(candidate, **facts)


def _cost(context: Context, candidate: Candidate) -> float:
    assert candidate.latency_ms_p50 is not None
    assert candidate.examples_per_s is not None
    return cost_of(
        context.recipe.compress.minimize,
        latency_ms=candidate.latency_ms_p50,
        examples_per_s=candidate.examples_per_s,
        size_bytes=candidate.size_bytes or 0,
    )


def _reference_bytes(context: Context) -> int:
    return sum(path.stat().st_size for path in (context.run.path / "train" / "model").iterdir())


def _dev_score(bench: Bench) -> float:
    return float((bench.reference.dev_scores.argmax(1) == bench.reference.dev.labels).mean())


def _floor_dev(bench: Bench) -> float:
    scores: NDArray[np.float32] = load_file(bench.floor / DEV)["scores"]
    return float((scores.argmax(1) == bench.reference.dev.labels).mean())


def _floor_score(context: Context, bench: Bench) -> float:
    """Accuracy of the floor on confirm. It takes part in no choice."""
    bundle = open_bundle(bench.floor / "bundle", threads=1)
    path = _predict(context, "floor", bundle.codec, bench.dataset.confirm, bundle.session)
    answers = read(path)
    return float((answers.predictions_B == answers.labels_B).mean())


def _calibration_error(context: Context, bench: Bench, name: str) -> float:
    """Expected calibration error on confirm, after the temperature fitted on dev."""
    answers = read(context.run.path / "predictions" / f"{name}.jsonl", scores=True)
    order = {label: number for number, label in enumerate(bench.reference.model.codec.labels)}
    truth = np.array([order[answers.names[number]] for number in answers.labels_B])
    assert answers.scores_BC is not None
    return expected_calibration_error(answers.scores_BC, truth)
