"""The training of the reference as one job: loss, learning rate, who hears of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smelt.compress.distill import imitation_loss
from smelt.data.answers import Answered, read_answers
from smelt.data.dataset import Dataset
from smelt.models.build import Model
from smelt.models.network import Network
from smelt.models.transformer import TransformerNetwork
from smelt.pipeline.context import Context
from smelt.recipe.model import NetworkSection, PredictionsModel, network_of
from smelt.recipe.train import AdamW, Train
from smelt.tasks.classify import ClassifyCodec
from smelt.train.evaluate import judge_classes
from smelt.train.fit import Loss, cross_entropy
from smelt.train.optimize import pretrained_rate
from smelt.train.pace import most_epochs
from smelt.train.rows import Rows
from smelt.train.session import Job

_HEAD = 10.0
"""A new head learns so many times as fast as the encoder under it: see the log of 2026-11-25."""


def reference_job(context: Context, dataset: Dataset, model: Model, splits: tuple[Rows, Rows], seconds: float) -> Job:
    """Return the job.

    Args:
        context: the run.
        dataset: its rows; a model of kind `predictions` has answers to them.
        model: to train.
        splits: rows to learn from, rows of dev.
        seconds: there are; sizes `auto` epochs.
    """
    recipe, section = context.recipe, context.recipe.train or Train()
    name = "encoder" if isinstance(recipe.model, PredictionsModel) else "reference"
    kind = network_of(recipe.model)
    return Job(
        name=name,
        network=model.network,
        rows=splits[0],
        judge=judge_classes(splits[1], model.codec.labels, section),
        section=section,
        loss=_loss(context, section, given_answers(context, dataset), model.codec),
        auto_rate=_auto_rate(kind, model.network),
        head=_HEAD if kind.kind == "transformer" and _is_auto(section) else 1.0,
        seconds=seconds,
        epochs=section.epochs,
        most_epochs=most_epochs(section, len(splits[0])),
        watch=lambda step, facts: context.watch.step(name, step, facts),
    )


def given_answers(context: Context, dataset: Dataset) -> Answered | None:
    """Read the answers of a reference that is a file of them; None where the model answers itself."""
    model = context.recipe.model
    return read_answers(model, dataset) if isinstance(model, PredictionsModel) else None


def class_numbers(answers: Sequence[str | None], codec: ClassifyCodec) -> NDArray[np.int64]:
    """Return the class number of each answer, shape (n,); -1 where it is no label of the task."""
    number: dict[str | None, int] = {label: place for place, label in enumerate(codec.labels)}
    return np.fromiter((number.get(answer, -1) for answer in answers), np.int64, len(answers))


def _loss(context: Context, section: Train, given: Answered | None, codec: ClassifyCodec) -> Loss:
    """Return the loss against the labels, and against given answers too; dev comes after train, as a refit joins them."""
    if given is None:
        return cross_entropy(section.label_smoothing)
    answers = [*given.answers["train"], *given.answers["dev"]]
    return imitation_loss(class_numbers(answers, codec), context.recipe.compress.distill.weight, section.label_smoothing)


def _auto_rate(section: NetworkSection, network: Network) -> float:
    """Return the learning rate of `auto`."""
    if section.kind != "transformer" or not isinstance(network, TransformerNetwork):
        return 1e-3
    return pretrained_rate(network)


def _is_auto(section: Train) -> bool:
    return isinstance(section.optimizer, AdamW) and section.optimizer.learning_rate == "auto"
