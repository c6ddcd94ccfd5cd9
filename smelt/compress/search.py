"""The search: the reference and its students, each in every format that can hold it, each trained, exported, run and timed.

Every student and every candidate is a stage of the run folder, so a search that was cut goes on where it stopped.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from smelt.compress.cascade import cascades
from smelt.compress.linear import try_linear
from smelt.compress.students import auto_students, embedding_of, names_of, steps_of
from smelt.compress.teach import Lesson, teach
from smelt.compress.transfer import TransferSet, texts_sha256, transfer_rows
from smelt.compress.trial import Search, Trial, probe_cost, try_formats
from smelt.language import say
from smelt.models.build import Model, load_model
from smelt.recipe.compress import Linear, NetworkStudent
from smelt.run.disk import read_json
from smelt.run.folder import code_version
from smelt.train.device import find_device
from smelt.train.evaluate import score_rows
from smelt.train.rows import Rows
from smelt.train.session import PLAN
from smelt.types import Arrays, Candidate


def search(plan: Search) -> list[Trial]:
    """Try the grid: first the reference's own formats, which need no training, then student after student while there is time.

    Returns:
        Every candidate, also those that failed or were not tried, with the reason in `why`.
    """
    trials = try_formats(plan, plan.name, plan.reference, [])
    students = auto_students(plan.reference.network) if plan.section.students == "auto" else plan.section.students
    started = time.monotonic()
    if students:
        _transfer(plan)
    left = plan.seconds - (time.monotonic() - started)
    named = dict(zip(names_of(students), students, strict=True))
    for name, section in named.items():
        if isinstance(section, Linear):
            trials += try_linear(plan, name, section, steps_of(section, plan.reference.network), _answers_to_more(plan))
    networks = [(name, section) for name, section in named.items() if not isinstance(section, Linear)]
    for place, (name, section) in enumerate(networks):
        started = time.monotonic()
        share = left / (len(networks) - place) * (2 if len(networks) - place > 1 else 1)
        student = _student(plan, name, section, min(share, left))
        left -= max(student.seconds, time.monotonic() - started)
        steps = steps_of(section, plan.reference.network)
        hopeless = student.dev_score < plan.least_dev_score
        if hopeless and plan.section.cascade == "none":
            trials.append(_hopeless(name, steps, student, plan.least_dev_score))
        else:
            trials += try_formats(plan, name, student.model, steps, most=1 if hopeless else None)
    return trials + (cascades(plan, trials) if plan.section.cascade == "auto" else [])


@dataclass(frozen=True, slots=True)
class _Student:
    """A trained student, and over all sittings the time that it took."""

    model: Model
    dev_score: float
    seconds: float


def _hopeless(name: str, steps: Sequence[str], student: _Student, least: float) -> Trial:
    why = say("not exported: {score:.4f} on dev, and below {least:.4f} no certificate is in reach", score=student.dev_score, least=least)
    candidate = Candidate(name=name, steps=steps, runtime="torch", precision="fp32", dev_score=student.dev_score, why=why)
    return Trial(candidate=candidate, source=name, folder=None, dev_scores=None)


def _student(plan: Search, name: str, section: NetworkStudent, seconds: float) -> _Student:
    """Train one student, or find it trained."""
    inputs = plan.inputs | {
        "student": section.model_dump(mode="json"), "distill": plan.section.distill.model_dump(mode="json"),
        "transfer": plan.section.transfer.model_dump(mode="json"), "texts": texts_sha256(plan.more_texts),
        "train": plan.train.model_dump(mode="json"), "code": code_version("models", "train", "tasks", "compress"),
    }  # fmt: skip

    def fill(folder: Path, work: Path) -> None:
        measure = partial(probe_cost, plan)
        teach(Lesson(plan, name, section, _transfer(plan), seconds, plan.train.seed, measure), folder, work)

    folder = plan.run.stage(f"compress/{name}", inputs, fill)
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return _Student(load_model(folder), facts["dev_score"], facts["seconds"])


def _transfer(plan: Search) -> TransferSet:
    """Return the transfer set with the reference's scores; made once."""
    inputs = plan.inputs | {
        "transfer": plan.section.transfer.model_dump(mode="json"), "seed": plan.train.seed, "texts": texts_sha256(plan.more_texts),
        "code": code_version("models", "tasks", "compress/transfer.py"),
    }  # fmt: skip

    def fill(folder: Path, _work: Path) -> None:
        network = plan.reference.network.to(find_device(plan.train.device))
        more = plan.reference.codec.encode(plan.more_texts)
        rows = transfer_rows(plan.rows, more, plan.section.transfer, embedding_of(network).weight, plan.train.seed)
        classes = len(plan.reference.codec.labels)
        scores = score_rows(network, rows, plan.train, classes=classes, precision=_precision_of(plan))
        network.cpu()
        arrays = {"ids": np.asarray(rows.arrays.ids), "offsets": rows.arrays.offsets, "labels": rows.labels}
        save_file(arrays | {"scores": scores}, folder / "transfer.safetensors")

    found = load_file(plan.run.stage("compress/transfer", inputs, fill) / "transfer.safetensors")
    rows = Rows(Arrays(ids=found["ids"], offsets=found["offsets"]), found["labels"])
    return TransferSet(rows, found["scores"], labeled=len(plan.rows))


def _answers_to_more(plan: Search) -> list[str]:
    """Return the reference's labels of the texts that have none."""
    if not plan.more_texts:
        return []
    start = len(plan.rows)
    scores = _transfer(plan).scores[start : start + len(plan.more_texts)]
    return [plan.reference.codec.labels[number] for number in scores.argmax(1)]


def _precision_of(plan: Search) -> str:
    """Return the precision that the reference's training measured as the faster one; fp32 where nothing was measured."""
    measured = read_json(plan.run.path / "train" / PLAN)
    return str(measured["precision"]) if isinstance(measured, dict) else "fp32"
