"""The `train` stage: fit the reference, take it as it is, or let an encoder learn the answers it gave; and the floor beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from smelt.compress.tokens import check_vocabulary
from smelt.data.dataset import Dataset, Split
from smelt.export.linear import write_linear
from smelt.models.build import Model, build_model, load_model
from smelt.models.linear import LabeledTexts
from smelt.pipeline.budget import make_budget
from smelt.pipeline.context import Context
from smelt.pipeline.job import class_numbers, given_answers, reference_job
from smelt.pipeline.rank import fit_together
from smelt.recipe.model import NetworkSection, PredictionsModel, PretrainedTransformer, network_of
from smelt.recipe.task import windows_of
from smelt.recipe.train import Train
from smelt.run.disk import sha256_file
from smelt.run.folder import code_version
from smelt.runtime.build import open_session
from smelt.runtime.bundle import score_texts
from smelt.tasks.classify import ClassifyCodec, load_codec, softmax
from smelt.train.evaluate import score_rows
from smelt.train.pace import scoring_speed
from smelt.train.rows import Rows, encode_rows, join_rows
from smelt.train.session import LOG, PLAN, train
from smelt.verify.metrics.calibration import fit_temperature

_FLOOR_FEATURES = 200_000
DEV = "dev.safetensors"
BUDGET = "budget.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The model to match, and what was encoded for it."""

    model: Model
    """The reference itself, or the encoder that learned its answers."""
    rows: Rows
    dev: Rows
    students_seconds: float
    """What all students may train for."""
    dev_answers: NDArray[np.int64]
    """The reference's class numbers on dev, shape (n,); -1 where its answer is no label of the task."""
    dev_scores: NDArray[np.float32] | None
    """Its probabilities on dev, shape (n, C); None where its answers come from a file."""
    given: Sequence[str] | None
    """Its answers on confirm where they come from a file; None where the model answers itself."""
    section: Train
    """The recipe's `train:`, or its defaults where only students are trained."""

    @property
    def name(self) -> str:
        """What the model is called among the candidates."""
        return "reference" if self.given is None else "encoder"

    @property
    def dev_score(self) -> float:
        """Accuracy of the reference on dev. Fraction."""
        return float((self.dev_answers == self.dev.labels).mean())


def train_reference(context: Context, dataset: Dataset) -> Reference:
    """Run the stage; return the reference opened from the run folder."""
    recipe, run = context.recipe, context.run
    section = recipe.train or Train()
    given = given_answers(context, dataset)
    inputs = {
        "data": run.digest("data"), "model": recipe.model.model_dump(mode="json"), "task": recipe.task.model_dump(mode="json"),
        "weights": weights_mark(network_of(recipe.model)),
        "train": recipe.train.model_dump(mode="json") if recipe.train else None, "budget_minutes": recipe.budget_minutes,
        "code": code_version(
            "models", "train", "parallel", "tasks", "data/batch.py", "pipeline/reference.py", "pipeline/job.py", "pipeline/budget.py"
        ),
    }  # fmt: skip
    if recipe.parallel.sync_every > 1:  # all other ways to spread a training have the same result
        inputs |= {"parallel": recipe.parallel.model_dump(mode="json")}
    if isinstance(recipe.model, PredictionsModel):
        inputs |= {"answers": sha256_file(Path(recipe.model.path)), "weight": recipe.compress.distill.weight}
    cache = run.path / ".work" / "rows"
    folder = run.stage("train", inputs, lambda folder, work: _fit(context, dataset, folder, work))
    model = load_model(folder / "model")
    rows, dev = (
        encode_split(model.codec, split, cache / f"{name}.ids") for name, split in (("train", dataset.train), ("dev", dataset.dev))
    )
    if given:
        dev_answers, confirm = class_numbers(given.answers["dev"], model.codec), [str(answer) for answer in given.answers["confirm"]]
        scores = None
    else:
        raw, confirm = load_file(folder / DEV)["scores"], None
        scores, dev_answers = softmax(raw), raw.argmax(1)
    left = json.loads((folder / BUDGET).read_text(encoding="utf-8"))["students_seconds"]
    return Reference(
        model=model, rows=rows, dev=dev, students_seconds=left, dev_answers=dev_answers, dev_scores=scores, given=confirm, section=section
    )


def weights_mark(section: NetworkSection) -> dict[str, str]:
    """Return the sha256 of each file of a folder of weights: another model may come to stand in its place. Empty for the hub."""
    folder = Path(section.weights) if isinstance(section, PretrainedTransformer) else None
    if folder is None or not folder.is_dir():
        return {}
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.suffix in (".json", ".safetensors")}


def _fit(context: Context, dataset: Dataset, folder: Path, work: Path) -> None:
    """Fill the stage's folder: model, codec with its temperature, fp32 scores on dev, log."""
    recipe, section, kind = context.recipe, context.recipe.train or Train(), network_of(context.recipe.model)
    model = build_model(
        kind, labels_of(dataset), dataset.train.texts(), section.seed, fine_tuned=recipe.train is None, windows=windows_of(recipe.task)
    )
    if recipe.compress.vocabulary == "used":
        check_vocabulary(model.codec.encoder)
    rows, dev = (encode_split(model.codec, split, work / f"{name}.ids") for name, split in (("train", dataset.train), ("dev", dataset.dev)))
    budget = make_budget(recipe, dataset, rows, scoring_speed(model.network, rows, section))
    job = reference_job(context, dataset, model, (rows, dev), budget.reference)
    spread = recipe.parallel.processes > 1
    progress = None
    if recipe.train:
        progress = fit_together(context, job, model.codec, work, work) if spread else train(job, work, context.run.disk)
    # Dev scores, and the temperature with them, are those of a model that has not seen dev.
    scores = score_rows(model.network, dev, section, classes=len(model.codec.labels), precision="fp32")
    codec = model.codec.with_temperature(fit_temperature(scores, dev.labels))
    if progress and section.refit:
        model = build_model(kind, codec.labels, dataset.train.texts(), section.seed, windows=windows_of(recipe.task))
        epochs = progress.best_epoch + 1
        again = replace(job, network=model.network, rows=join_rows(rows, dev), epochs=epochs, selects=False)
        if spread:
            fit_together(context, again, codec, work / "refit", work, refit=epochs)
        else:
            train(again, work / "refit", context.run.disk)
    (folder / "model").mkdir()
    model.network.save(folder / "model")
    codec.save(folder / "model")
    save_file({"scores": scores}, folder / DEV)
    left = budget.students(progress.seconds if progress else 0.0)
    (folder / BUDGET).write_text(json.dumps(asdict(budget) | {"students_seconds": left}), encoding="utf-8")
    for name in (LOG, PLAN) if progress else ():
        (folder / name).write_bytes((work / name).read_bytes())


def fit_floor(context: Context, dataset: Dataset) -> Path:
    """Train the floor, always: TF-IDF and a linear classifier. Returns its stage folder, shaped like a candidate's."""

    def fill(folder: Path, _work: Path) -> None:
        bundle = folder / "bundle"
        bundle.mkdir()
        train = dataset.train
        table = LabeledTexts(texts=train.texts(), labels=train.labels, ids=train.ids, classes=labels_of(dataset))
        facts = write_linear(table, _FLOOR_FEATURES, "floor", context.text_column, bundle)
        scores = score_texts(open_session(bundle, facts, 1), load_codec(bundle), dataset.dev.texts())
        save_file({"scores": scores}, folder / DEV)

    inputs = {
        "data": context.run.digest("data"),
        "code": code_version("models/linear.py", "export/linear.py", "tasks", "runtime/linear.py"),
    }
    return context.run.stage("compress/floor", inputs, fill)


def encode_split(codec: ClassifyCodec, split: Split, path: Path) -> Rows:
    """Encode a split's texts and labels into a file and map it."""
    return encode_rows(split.texts, codec.encode_labels(split.labels, split.ids), codec.encode, path)


def labels_of(dataset: Dataset) -> list[str]:
    """Return the task's labels in the order of the scores: sorted."""
    return sorted(dataset.facts["labels"])
