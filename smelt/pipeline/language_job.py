"""The training of a language model as one job: loss, learning rate, who hears of it."""

from pathlib import Path

from smelt.language import say
from smelt.models.build_language import LanguageModel, load_language
from smelt.models.transformer import HuggingFaceNetwork
from smelt.pipeline.context import Context
from smelt.recipe.model import PretrainedTransformer, ScratchTransformer
from smelt.recipe.task import CausalLanguageTask, LanguageTask, MaskedLanguageTask
from smelt.recipe.train import Train
from smelt.train.language import guessing_loss, judge_guesses, open_rows
from smelt.train.optimize import pretrained_rate
from smelt.train.session import Job

_WHOLE_BATCH = 64 * 128
"""Tokens of a batch that bears the whole learning rate of pretrained weights, as 64 documents do where labels are learned."""


def language_task(context: Context) -> LanguageTask | None:
    """Return the recipe's task if it is one of language."""
    task = context.recipe.task
    return task if isinstance(task, MaskedLanguageTask | CausalLanguageTask) else None


def language_job(context: Context, model: LanguageModel, rows: Path, seconds: float) -> Job:
    """Return the training as a job: loss, learning rate, who hears of it.

    Args:
        context: the run.
        model: to train.
        rows: folder of the encoded splits.
        seconds: there are; sizes `auto` epochs.
    """
    section, task = context.recipe.train or Train(), language_task(context)
    assert task is not None
    own, dev = (open_rows(rows / f"{name}.tokens", task.packing, model.codec.max_tokens, model.cover) for name in ("train", "dev"))
    if section.batch_tokens < model.codec.max_tokens:
        context.watch.stage("train", say("train.batch_tokens is below model.max_tokens: every batch is one row"))
    return Job(
        name="language",
        network=model.network,
        rows=own,
        judge=judge_guesses(dev, section, vocabulary_of(model.network)),
        section=section,
        loss=guessing_loss,
        auto_rate=_auto_rate(context, model, section),
        seconds=seconds,
        epochs=section.epochs,
        most_epochs=section.max_epochs,
        watch=lambda step, facts: context.watch.step("language", step, facts),
    )


def _auto_rate(context: Context, model: LanguageModel, section: Train) -> float:
    """Return the learning rate of `auto`: weights that are there bear less of it in small batches."""
    if not isinstance(context.recipe.model, PretrainedTransformer):
        return 1e-3
    return pretrained_rate(model.network) * min(1.0, section.batch_tokens / _WHOLE_BATCH)


def vocabulary_of(network: HuggingFaceNetwork) -> int:
    """Return how many tokens are scored."""
    return int(network.hugging_face.config.vocab_size)


def reopened_job(context: Context, start: Path, rows: Path, seconds: float) -> Job:
    """Return the same job in another process.

    Args:
        context: the run.
        start: folder of the model before training.
        rows: folder of the encoded splits.
        seconds: there are.
    """
    task, kind = language_task(context), context.recipe.model
    assert task is not None
    assert isinstance(kind, PretrainedTransformer | ScratchTransformer)
    return language_job(context, load_language(start, kind.max_tokens, task), rows, seconds)
