"""The `verify` stage: which candidates are tested on confirm, their verdicts, the choice, and its timing against the reference."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import numpy as np

from smelt.compress.limits import breaches, nearest_miss
from smelt.data.dataset import Split
from smelt.language import say
from smelt.models.session import LiveSession
from smelt.pipeline.beside import kept_beside
from smelt.pipeline.context import Context
from smelt.pipeline.frontier import Bench, cost, floor_dev, frontier, reference_cost
from smelt.recipe.verify import Auroc
from smelt.run.disk import write_file
from smelt.run.folder import code_version
from smelt.run.state import state_folder
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.clock import BUNDLES, race
from smelt.runtime.isa import cores, isa, machine
from smelt.tasks.classify import ClassifyCodec
from smelt.types import Candidate, Prediction, Session, Timing, Verdict
from smelt.verify.compare import Context as Said
from smelt.verify.compare import compare
from smelt.verify.ledger import Opening, openings, record
from smelt.verify.metrics.calibration import expected_calibration_error
from smelt.verify.metrics.confusion import classification_report, confusion
from smelt.verify.order import DevResult, decisive, fixed_sequence, plan_tests
from smelt.verify.pairs import lost_and_won
from smelt.verify.predictions import Predictions, predictions_sha256, read, write

_LOG = logging.getLogger("smelt")
WORKLOAD = "compress/workload.json"
LIVE = "smelt.train.clock"
"""Module that times the live reference."""
CLASSES = "verify/classes.txt"
"""Precision, recall and F1 of every class on confirm, of reference and candidate."""
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What the stage leaves: the verdict, and every candidate with what became of it."""

    verdict: Verdict
    candidates: Sequence[Candidate]


def judge(context: Context, bench: Bench) -> Judgment:
    """Run the stage: plan the tests on dev, open confirm, choose, time the choice against the reference, write everything down."""
    tested = _test_on_confirm(context, bench, _plan(context, bench))
    verdict = decisive(tested) if tested else _nothing_cheaper(context, bench)
    chosen = verdict.candidate if verdict.certified else None
    timings = _race(context, bench, chosen) if chosen else {}
    candidates = frontier(context, bench, tested, chosen, timings)
    for breach in (breach for one in candidates if one.chosen for breach in breaches(one, context.recipe.compress.limits)):
        context.watch.stage("verify", say("warning: {name}, timed again: {breach}", name=chosen, breach=breach.told))
    context.run.write_json("frontier.json", {"candidates": [asdict(candidate) for candidate in candidates]})
    _write_verdict(context, bench, verdict, tested)
    return Judgment(verdict=verdict, candidates=candidates)


def _plan(context: Context, bench: Bench) -> list[str]:
    """Choose from dev alone which candidates are tested, the safest first."""
    section = context.recipe.verify
    truth, own = bench.reference.dev.labels, bench.reference.dev_answers
    results = []
    for trial in bench.trials:
        if trial.dev_scores is not None and not breaches(trial.candidate, context.recipe.compress.limits):
            lost, won = lost_and_won(own, trial.dev_scores.argmax(1), truth)
            price, also = cost(context, trial.candidate), kept_beside(context, bench.dataset, bench.reference, trial.dev_scores)
            results.append(DevResult(name=trial.candidate.name, cost=price, lost=lost, won=won, n=len(truth), also=also))
    planned = plan_tests(
        results,
        reference_cost=reference_cost(context, bench, [result.cost for result in results]),
        n_confirm=len(bench.dataset.confirm),
        margin=section.margin_points / 100,
        confidence=section.confidence,
        most=section.candidates,
    )
    return [plan.name for plan in planned]


def _test_on_confirm(context: Context, bench: Bench, names: Sequence[str]) -> list[Verdict]:
    """Open confirm: the reference, the floor, then one candidate after the other until one fails."""
    run, confirm = context.run, bench.dataset.confirm
    _predict_reference(context, bench)
    floor_score = _floor_score(context, bench)

    def verdicts() -> Iterator[Verdict]:
        for name in names:
            context.watch.stage("verify", say("tests {name} on confirm", name=name))
            bundle = open_bundle(run.path / "compress" / name / "bundle")
            _predict(context, name, bundle.codec, confirm, bundle.session)
            scored = any(isinstance(one, Auroc) for one in context.recipe.verify.also)
            reference, candidate = (read(run.path / "predictions" / f"{one}.jsonl", scores=scored) for one in ("reference", name))
            said = Said(
                candidate=name,
                floor_score=floor_score,
                floor_dev=floor_dev(bench),
                reference_dev=bench.reference.dev_score,
                isa=isa(),
                labels=bench.reference.model.codec.labels,
                also=context.recipe.verify.also,
            )
            verdict = _compare(context, reference, candidate, said)
            opening = Opening(
                data_sha256=verdict.data_sha256,
                predictions_sha256=predictions_sha256(candidate),
                run=context.recipe.name,
                time=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            record(state_folder(), opening, run.disk)
            yield verdict

    return fixed_sequence(verdicts())


def _compare(context: Context, reference: Predictions, candidate: Predictions, said: Said) -> Verdict:
    section = context.recipe.verify
    return compare(
        reference,
        candidate,
        margin_points=section.margin_points,
        confidence=section.confidence,
        unlabeled=section.labels == "reference",
        context=said,
    )


def _predict_reference(context: Context, bench: Bench) -> None:
    """Write the reference's predictions file: from the live model, or from the answers it gave."""
    run, model, confirm, given = context.run, bench.reference.model, bench.dataset.confirm, bench.reference.given
    if given is None:
        _predict(context, "reference", model.codec, confirm, LiveSession(model.network, threads=cores()))
        return
    rows = (
        Prediction(id=identity, label=label, prediction=answer, group=group)
        for identity, label, answer, group in zip(confirm.ids, confirm.labels, given, confirm.groups or repeat(None), strict=False)
    )
    inputs = {"data": run.digest("data"), "train": run.digest("train"), "answers": list(given)}
    run.file("predictions/reference.jsonl", inputs, lambda path: write(path, rows, run.disk))


def _predict(context: Context, name: str, codec: ClassifyCodec, split: Split, session: Session) -> Path:
    """Write a predictions file on confirm, unless it stands there from the same model and data."""
    place = "train" if name == "reference" else f"compress/{name}"
    inputs = {
        "data": context.run.digest("data"),
        "model": context.run.digest(place),
        "code": code_version("models", "runtime", "tasks"),
        "isa": isa(),
    }

    def rows() -> Iterator[Prediction]:
        identities, labels, groups = split.ids, split.labels, split.groups
        for start in range(0, len(split), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(split)))
            answers = codec.decode(score_texts(session, codec, split.texts(part)))
            for row, (identity, label) in enumerate(zip(identities[part], labels[part], strict=True)):
                group = groups[start + row] if groups else None
                scores = answers.probabilities[row].tolist()
                yield Prediction(id=identity, label=label, prediction=answers.predictions[row], scores=scores, group=group)

    return context.run.file(f"predictions/{name}.jsonl", inputs, lambda path: write(path, rows(), context.run.disk))


def _race(context: Context, bench: Bench, chosen: str) -> dict[str, Timing]:
    """Time reference and choice again, alternating, each round in a fresh process."""
    run, rounds = context.run, context.recipe.verify.bench_rounds
    inputs = {
        "train": run.digest("train"), "chosen": run.digest(f"compress/{chosen}"), "rounds": rounds, "machine": machine(),
        "code": code_version("models", "runtime", "tasks"),
    }  # fmt: skip
    entrants = {"reference": (run.path / "train" / "model", LIVE)} if bench.reference_timing else {}
    entrants[chosen] = (run.path / "compress" / chosen / "bundle", BUNDLES)

    def tell(lap: int) -> None:
        context.watch.stage("verify", say("timing round {lap} of {rounds}", lap=lap, rounds=rounds))

    def fill(folder: Path, _work: Path) -> None:
        timings = race(entrants, run.path / WORKLOAD, folder, rounds, clock=context.clock, tell=tell)
        (folder / "timing.json").write_text(json.dumps({name: asdict(timing) for name, timing in timings.items()}), encoding="utf-8")

    folder = run.stage("compress/race", inputs, fill)
    return {name: Timing(**facts) for name, facts in json.loads((folder / "timing.json").read_text(encoding="utf-8")).items()}


def _write_verdict(context: Context, bench: Bench, verdict: Verdict, tested: Sequence[Verdict]) -> None:
    run = context.run
    names = [*(["reference"] if bench.reference.given is None else []), *([verdict.candidate] if verdict.candidate else [])]
    details = {
        "openings": [asdict(opening) for opening in openings(state_folder(), verdict.data_sha256)],
        "dev": {"n": len(bench.reference.dev), "reference_score": bench.reference.dev_score, "floor_score": floor_dev(bench)},
        "calibration_error": {name: _calibration_error(context, bench, name) for name in names},
    }
    told = ["reference", *([verdict.candidate] if verdict.candidate else [])]
    write_file(run.path / CLASSES, _class_reports(context, told).encode(), run.disk)
    run.write_json("verify/tests.json", [asdict(one) for one in tested])
    run.write_json("verify/details.json", details)
    run.write_json("verify/verdict.json", asdict(verdict))


def _nothing_cheaper(context: Context, bench: Bench) -> Verdict:
    """Return the verdict of a run in which no candidate was cheaper than the reference, or none keeps the recipe's limits."""
    exported = [trial.candidate for trial in bench.trials if trial.dev_scores is not None]
    missed = nearest_miss(exported, context.recipe.compress.limits)
    path = context.run.path / "predictions" / "reference.jsonl"
    said = Said(floor_score=_floor_score(context, bench), floor_dev=floor_dev(bench), reference_dev=bench.reference.dev_score, isa=isa())
    verdict = _compare(context, read(path), read(path), said)
    return replace(
        verdict, certified=False, candidate=None, candidate_score=None, drop_points=None, upper_points=None, lost=None, won=None,
        p_value=1.0,
        sentence=say("Not certified: no candidate was cheaper than the reference.") if not missed else say("Not certified.") + " " + missed,
    )  # fmt: skip


def _floor_score(context: Context, bench: Bench) -> float:
    """Accuracy of the floor on confirm. It takes part in no choice."""
    bundle = open_bundle(bench.floor / "bundle", threads=1)
    path = _predict(context, "floor", bundle.codec, bench.dataset.confirm, bundle.session)
    answers = read(path)
    return float((answers.predictions_B == answers.labels_B).mean())


def _class_reports(context: Context, names: Sequence[str]) -> str:
    """Return precision, recall and F1 of every class on confirm, of each model."""
    tables = []
    for name in names:
        answers = read(context.run.path / "predictions" / f"{name}.jsonl")
        table = confusion(answers.labels_B, answers.predictions_B, len(answers.names))
        tables.append(f"{name}\n{classification_report(table, answers.names)}")
    return "\n".join(tables)


def _calibration_error(context: Context, bench: Bench, name: str) -> float:
    """Expected calibration error on confirm, after the temperature fitted on dev."""
    answers = read(context.run.path / "predictions" / f"{name}.jsonl", scores=True)
    order = {label: number for number, label in enumerate(bench.reference.model.codec.labels)}
    truth = np.array([order[answers.names[number]] for number in answers.labels_B])
    assert answers.scores_BC is not None
    return expected_calibration_error(answers.scores_BC, truth)
