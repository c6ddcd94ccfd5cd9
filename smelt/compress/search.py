"""The search: the reference and its students, each in every format that can hold it, each trained, exported, run and timed.

Every student and every candidate is a stage of the run folder, so a search that was cut goes on where it stopped.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from smelt.compress.distill import distill_loss
from smelt.compress.students import auto_students, build_student, embedding_of, epochs_of, learning_rate_of, names_of, steps_of
from smelt.compress.transfer import TransferSet, transfer_rows
from smelt.compress.vocabulary import grow, renumber, shrink, used_tokens
from smelt.errors import SmeltError
from smelt.export.bundle import Probe, check_parity, split_format, write_bundle
from smelt.export.formats import formats_of
from smelt.language import say
from smelt.models.build import Model, load_model
from smelt.models.session import LiveSession
from smelt.recipe.compress import Compress, Depth, Format, Student
from smelt.recipe.train import Train
from smelt.run.disk import read_json
from smelt.run.folder import RunFolder, code_version
from smelt.runtime.build import open_session
from smelt.runtime.bundle import score_texts
from smelt.runtime.clock import BUNDLES, Clock
from smelt.runtime.isa import cores, isa
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.train.device import find_device
from smelt.train.evaluate import score_rows
from smelt.train.fit import Step
from smelt.train.rows import Rows
from smelt.train.session import LOG, PLAN, Facts, Job, train
from smelt.types import Arrays, Candidate
from smelt.verify.metrics.calibration import fit_temperature

_LOG = logging.getLogger("smelt")
_PROBES = 64
Watch = Callable[[str, Step | None, Facts], None]
"""Hears of every step and epoch of every student, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Everything a search starts from."""

    section: Compress
    train: Train
    """How students are trained, but for epochs and learning rate."""
    reference: Model
    """The reference, or the encoder that learned its answers."""
    name: str
    """What its own formats are called after: `reference` or `encoder`."""
    rows: Rows
    dev: Rows
    dev_texts: Sequence[str]
    reference_dev: NDArray[np.int64]
    """The reference's answers on dev, as class numbers; -1 for what is no label of the task. Shape (n,)."""
    least_dev_score: float
    """A student below it is not exported: its certificate is out of reach. Fraction."""
    text_column: str
    workload: Path
    """JSON file of the documents to time on."""
    seconds: float
    """Time there is for students."""
    inputs: dict[str, object]
    """What the reference follows from; part of every stage's fingerprint."""
    run: RunFolder
    clock: Clock
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate that was tried."""

    candidate: Candidate
    folder: Path | None
    """Its stage folder, with `bundle/` in it; None if there is none."""
    dev_scores: NDArray[np.float32] | None


def search(plan: Search) -> list[Trial]:
    """Try the grid: first the reference's own formats, which need no training, then student after student while there is time.

    Returns:
        Every candidate, also those that failed or were not tried, with the reason in `why`.
    """
    trials = _formats(plan, plan.name, plan.reference, [])
    students = auto_students(plan.reference.network) if plan.section.students == "auto" else plan.section.students
    started = time.monotonic()
    if students:
        _transfer(plan)
    left = plan.seconds - (time.monotonic() - started)
    for place, (name, section) in enumerate(zip(names_of(students), students, strict=True)):
        started = time.monotonic()
        share = left / (len(students) - place) * (2 if len(students) - place > 1 else 1)
        student = _student(plan, name, section, min(share, left))
        left -= max(student.seconds, time.monotonic() - started)
        steps = steps_of(section, plan.reference.network)
        if student.dev_score < plan.least_dev_score:
            trials.append(_hopeless(name, steps, student, plan.least_dev_score))
        else:
            trials += _formats(plan, name, student.model, steps)
    return trials


@dataclass(frozen=True, slots=True)
class _Student:
    """A trained student, and over all sittings the time that it took."""

    model: Model
    dev_score: float
    seconds: float


def _hopeless(name: str, steps: Sequence[str], student: _Student, least: float) -> Trial:
    why = say("not exported: {score:.4f} on dev, and below {least:.4f} no certificate is in reach", score=student.dev_score, least=least)
    candidate = Candidate(name=name, steps=steps, runtime="torch", precision="fp32", dev_score=student.dev_score, why=why)
    return Trial(candidate=candidate, folder=None, dev_scores=None)


def _student(plan: Search, name: str, section: Student, seconds: float) -> _Student:
    """Train one student, or find it trained."""
    inputs = plan.inputs | {
        "student": section.model_dump(mode="json"), "distill": plan.section.distill.model_dump(mode="json"),
        "transfer": plan.section.transfer.model_dump(mode="json"),
        "train": plan.train.model_dump(mode="json"), "code": code_version("models", "train", "tasks", "compress"),
    }  # fmt: skip

    def fill(folder: Path, work: Path) -> None:
        transfer = _transfer(plan)
        whole = build_student(section, plan.reference.network, len(plan.reference.codec.labels), plan.train.seed)
        used = None if isinstance(section, Depth) else used_tokens(transfer.rows, plan.dev)
        rows, dev = (one if used is None else renumber(one, used) for one in (transfer.rows, plan.dev))
        network = whole if used is None else shrink(whole, used)
        job = Job(
            name=name,
            network=network,
            rows=rows,
            dev=dev,
            labels=plan.reference.codec.labels,
            section=plan.train,
            loss=distill_loss(transfer, plan.section.distill, plan.reference.network),
            auto_rate=learning_rate_of(section),
            seconds=seconds,
            epochs=section.epochs,
            most_epochs=epochs_of(section),
            watch=lambda step, facts: plan.watch(name, step, facts),
        )
        progress = train(job, work, plan.run.disk)
        (network if used is None else grow(network, whole, used)).save(folder)
        plan.reference.codec.save(folder)
        (folder / LOG).write_bytes((work / LOG).read_bytes())
        facts = {"dev_score": progress.best_score, "seconds": progress.seconds}
        (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")

    folder = plan.run.stage(f"compress/{name}", inputs, fill)
    return _Student(load_model(folder), **json.loads((folder / "training.json").read_text(encoding="utf-8")))


def _transfer(plan: Search) -> TransferSet:
    """Return the transfer set with the reference's scores; made once."""
    inputs = plan.inputs | {
        "transfer": plan.section.transfer.model_dump(mode="json"), "seed": plan.train.seed,
        "code": code_version("models", "tasks", "compress/transfer.py"),
    }  # fmt: skip

    def fill(folder: Path, _work: Path) -> None:
        network = plan.reference.network.to(find_device(plan.train.device))
        rows = transfer_rows(plan.rows, plan.section.transfer, embedding_of(network).weight, plan.train.seed)
        classes = len(plan.reference.codec.labels)
        scores = score_rows(network, rows, plan.train, classes=classes, precision=_precision_of(plan))
        network.cpu()
        arrays = {"ids": np.asarray(rows.arrays.ids), "offsets": rows.arrays.offsets, "labels": rows.labels}
        save_file(arrays | {"scores": scores}, folder / "transfer.safetensors")

    found = load_file(plan.run.stage("compress/transfer", inputs, fill) / "transfer.safetensors")
    rows = Rows(Arrays(ids=found["ids"], offsets=found["offsets"]), found["labels"])
    return TransferSet(rows, found["scores"], labeled=len(plan.rows))


def _precision_of(plan: Search) -> str:
    """Return the precision that the reference's training measured as the faster one; fp32 where nothing was measured."""
    measured = read_json(plan.run.path / "train" / PLAN)
    return str(measured["precision"]) if isinstance(measured, dict) else "fp32"


def _formats(plan: Search, student: str, model: Model, steps: Sequence[str]) -> list[Trial]:
    """Export, check, time and score one network in each format of the recipe that can hold it."""
    possible: list[Format] = [form for form in plan.section.formats if form in formats_of(model.network)]
    return [_trial(plan, student, model, steps, form) for form in possible]


def _trial(plan: Search, student: str, model: Model, steps: Sequence[str], form: Format) -> Trial:
    name = f"{student}-{form}"
    runtime, precision = split_format(form)
    steps = [*steps, *([f"quantize: {precision}"] if precision != "fp32" else [])]
    inputs = plan.inputs | {
        "student": student, "format": form, "calibration_rows": plan.section.calibration_rows, "isa": isa(),
        "model": plan.run.digest("train" if student == plan.name else f"compress/{student}"),
        "code": code_version("models", "tasks", "export", "runtime"),
    }  # fmt: skip
    try:
        folder = plan.run.stage(f"compress/{name}", inputs, lambda folder, _work: _export(plan, name, model, form, folder))
    except SmeltError as error:
        _LOG.warning("%s: %s", name, error.message)
        return Trial(
            candidate=Candidate(name=name, steps=steps, runtime=runtime, precision=precision, why=error.message),
            folder=None,
            dev_scores=None,
        )
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    candidate = Candidate(name=name, steps=steps, runtime=runtime, precision=precision, **result)
    return Trial(candidate=candidate, folder=folder, dev_scores=load_file(folder / "dev.safetensors")["scores"])


def _export(plan: Search, name: str, model: Model, form: Format, folder: Path) -> None:
    """Fill a candidate's folder: `bundle/`, `dev.safetensors`, `result.json`, `parity.json`."""
    bundle = folder / "bundle"
    bundle.mkdir()
    calibration = [plan.rows.take([row]) for row in spread(len(plan.rows), plan.section.calibration_rows)]
    facts = Manifest(name=name, family="network", runtime="numpy", precision="fp32", text_column=plan.text_column, isa=isa())
    write_bundle(model.network, model.codec, form, facts, calibration=calibration, folder=bundle)
    parity = check_parity(bundle, _probe(plan, model), cores())
    manifest = read_manifest(bundle)
    scores = score_texts(open_session(bundle, manifest, cores()), model.codec, plan.dev_texts)
    model.codec.with_temperature(fit_temperature(scores, plan.dev.labels)).save(bundle)
    seal(bundle, manifest)
    save_file({"scores": scores}, folder / "dev.safetensors")
    timing = asdict(plan.clock(bundle, plan.workload, BUNDLES))
    timing.pop("latency_threads")
    result = timing | {
        "dev_score": float((scores.argmax(1) == plan.dev.labels).mean()),
        "agreement": float((scores.argmax(1) == plan.reference_dev).mean()),
        "size_bytes": sum(path.stat().st_size for path in bundle.iterdir()),
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    (folder / "parity.json").write_text(json.dumps(asdict(parity)), encoding="utf-8")


def _probe(plan: Search, model: Model) -> Probe:
    """Score a few dev documents by the live module, to hold the export against."""
    arrays = plan.dev.take(spread(len(plan.dev), _PROBES))
    return Probe(arrays=arrays, scores=LiveSession(model.network, threads=cores()).scores(arrays))


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most `wanted` row numbers, evenly spread over `count` rows."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))
