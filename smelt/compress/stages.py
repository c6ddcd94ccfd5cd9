"""What the search keeps in the run folder besides candidates: the transfer set, and every student that was taught."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from smelt.compress.students import embedding_of
from smelt.compress.teach import Lesson, teach
from smelt.compress.transfer import TransferSet, answered_rows, texts_sha256, transfer_rows
from smelt.compress.trial import Search, Training, price_mark
from smelt.language import say
from smelt.models.build import Model, load_model
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Width
from smelt.run.disk import read_json
from smelt.run.folder import code_version
from smelt.train.device import find_device
from smelt.train.evaluate import score_rows
from smelt.train.pace import scoring_speed
from smelt.train.rows import Rows
from smelt.train.session import PLAN
from smelt.types import Arrays

_LOG = logging.getLogger("smelt")
_MEASURED_SECONDS = 1.0
_ANSWERING_SHARE = 1 / 3
"""Of the students' time, that the reference may take to answer what they learn on."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A student, and over all sittings the time that it took."""

    model: Model
    dev_score: float
    seconds: float


def student_stage(plan: Search, training: Training, place: str | None = None) -> Taught:
    """Teach one student, or find it taught, in `compress/<name>` or another place of the run."""
    place = place or f"compress/{training.name}"
    inputs = plan.inputs | {
        "student": training.section.model_dump(mode="json"), "distill": plan.section.distill.model_dump(mode="json"),
        "transfer": plan.section.transfer.model_dump(mode="json"), "texts": texts_sha256(plan.more_texts),
        "train": plan.train.model_dump(mode="json"), "code": code_version("models", "train", "parallel", "tasks", "compress"),
        "seed": training.seed, "start": plan.run.digest(training.start) if training.start else None,
        "quantized": training.quantized, "price": price_mark(plan) if isinstance(training.section, Width) else None,
    }  # fmt: skip

    def fill(folder: Path, work: Path) -> None:
        start = load_model(plan.run.path / training.start).network if training.start else None
        if isinstance(start, TransformerNetwork):
            start.embedding.weight.requires_grad = False  # as in the copy of the reference that it was
        teach(Lesson(plan=plan, training=training, transfer=transfer_stage(plan), start=start), folder, work)

    folder = plan.run.stage(place, inputs, fill)
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return Taught(load_model(folder), facts["dev_score"], facts["seconds"])


def transfer_stage(plan: Search) -> TransferSet:
    """Return the transfer set with the reference's scores; made once."""
    inputs = plan.inputs | {
        "transfer": plan.section.transfer.model_dump(mode="json"), "seed": plan.train.seed, "texts": texts_sha256(plan.more_texts),
        "code": code_version("models", "tasks", "compress/transfer.py"),
    }  # fmt: skip

    def fill(folder: Path, _work: Path) -> None:
        network = plan.reference.network.to(find_device(plan.train.device))
        more = plan.reference.codec.encode(plan.more_texts)
        precision, speed = _quickest(plan)
        affordable = speed * plan.seconds * _ANSWERING_SHARE
        table = embedding_of(network).weight
        rows = transfer_rows(plan.rows, more, plan.section.transfer, table, plan.train.seed, affordable=affordable)
        beyond = np.arange(len(plan.rows), len(rows))
        answered = np.concatenate([answered_rows(plan.rows, affordable - float(more.offsets[-1]), plan.train.seed), beyond])
        if len(answered) < len(rows):
            _LOG.warning(say("the reference answers {n:,} of {rows:,} rows of train for the students: more would take their time",
                             n=len(answered) - len(beyond), rows=len(plan.rows)))  # fmt: skip
        classes = len(plan.reference.codec.labels)
        scores = np.full((len(rows), classes), np.nan, np.float32)
        scores[answered] = score_rows(network, rows.part(answered), plan.train, classes=classes, precision=precision)
        network.cpu()
        arrays = {"ids": np.asarray(rows.arrays.ids), "offsets": rows.arrays.offsets, "labels": rows.labels}
        save_file(arrays | {"scores": scores}, folder / "transfer.safetensors")

    found = load_file(plan.run.stage("compress/transfer", inputs, fill) / "transfer.safetensors")
    rows = Rows(Arrays(ids=found["ids"], offsets=found["offsets"]), found["labels"])
    return TransferSet(rows, found["scores"], labeled=len(plan.rows))


def _quickest(plan: Search) -> tuple[str, float]:
    """Return the precision in which the reference answers, the one that training found faster or that is, and its tokens per second."""
    network, measured = plan.reference.network, read_json(plan.run.path / "train" / PLAN)
    options = (str(measured["precision"]),) if isinstance(measured, dict) else ("fp32", "bf16")
    speeds = {one: scoring_speed(network, plan.rows, plan.train, seconds=_MEASURED_SECONDS, precision=one) for one in options}
    return max(speeds.items(), key=lambda one: one[1])


def answers_to_more(plan: Search) -> list[str]:
    """Return the reference's labels of the texts that have none."""
    if not plan.more_texts:
        return []
    start = len(plan.rows)
    scores = transfer_stage(plan).scores[start : start + len(plan.more_texts)]
    return [plan.reference.codec.labels[number] for number in scores.argmax(1)]
