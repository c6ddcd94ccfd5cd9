"""Runs of language tasks: train on text alone, measure the perplexity on confirm. Nothing is compressed; the weights are the result."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from smelt.data.dataset import Dataset, Split
from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.build_language import build_language, load_language
from smelt.models.language import LanguageNetwork
from smelt.pipeline.context import Context
from smelt.pipeline.language_job import language_job, vocabulary_of
from smelt.pipeline.rank import fit_together
from smelt.pipeline.reference import weights_mark
from smelt.recipe.model import PretrainedTransformer, ScratchTransformer
from smelt.recipe.task import LanguageTask
from smelt.recipe.train import Train
from smelt.run.folder import code_version
from smelt.tasks.language import LanguageCodec
from smelt.train.documents import encode_documents
from smelt.train.language import LanguageRows, open_rows, score_documents
from smelt.train.session import LOG, PLAN, train
from smelt.verify.perplexity import Change, Guesses, compare, sentence, write_guesses

PERPLEXITY = "perplexity.json"
_TRAINING_SHARE = 0.9
"""Of the budget; the rest is for judging."""
_LEARNED_CHARACTERS = 100_000_000
"""From at most so much text a vocabulary is learned."""
_TOLD_SECONDS = 10.0


def train_language(context: Context, dataset: Dataset, task: LanguageTask) -> Path:
    """Run the stage `train`; return its folder."""
    recipe, run = context.recipe, context.run
    assert isinstance(recipe.model, PretrainedTransformer | ScratchTransformer)
    inputs = {
        "data": run.digest("data"), "model": recipe.model.model_dump(mode="json"), "task": task.model_dump(mode="json"),
        "weights": weights_mark(recipe.model), "train": recipe.train.model_dump(mode="json") if recipe.train else None,
        "budget_minutes": recipe.budget_minutes,
        "code": code_version("models", "train", "parallel", "tasks", "data/batch.py", "data/packing.py", "pipeline/language.py"),
    }  # fmt: skip
    if recipe.parallel.sync_every > 1:
        inputs |= {"parallel": recipe.parallel.model_dump(mode="json")}
    return run.stage("train", inputs, lambda folder, work: _fit(context, dataset, task, folder, work))


def _fit(context: Context, dataset: Dataset, task: LanguageTask, folder: Path, work: Path) -> None:
    recipe, section = context.recipe, context.recipe.train or Train()
    assert isinstance(recipe.model, PretrainedTransformer | ScratchTransformer)
    model = build_language(recipe.model, task, _sample(dataset), section.seed)
    for name, split in (("train", dataset.train), ("dev", dataset.dev)):
        _encode(context, model.codec, name, split, work)
    job = language_job(context, model, work, recipe.budget_minutes * 60 * _TRAINING_SHARE)
    if recipe.parallel.processes > 1:
        fit_together(context, job, model.codec, work, work)
    else:
        train(job, work, context.run.disk)
    (folder / "model").mkdir()
    model.network.save(folder / "model")
    model.codec.save(folder / "model")
    for name in (LOG, PLAN):
        (folder / name).write_bytes((work / name).read_bytes())


def _encode(context: Context, codec: LanguageCodec, name: str, split: Split, work: Path) -> None:
    """Encode a split, where that is not done, and tell now and then how far it is."""
    tell = _teller(context, name, len(split))
    encode_documents(split.texts, len(split), codec.encode, work / f"{name}.tokens", codec.digest(), tell=tell)


def judge_language(context: Context, dataset: Dataset, task: LanguageTask, trained: Path) -> str:
    """Run the stage `verify`: guess confirm's documents, by the weights that training began with too, and say what came out."""
    recipe, run = context.recipe, context.run
    assert isinstance(recipe.model, PretrainedTransformer | ScratchTransformer)
    inputs = {
        "model": run.digest("train"), "data": run.digest("data"), "confidence": recipe.verify.confidence,
        "code": code_version("models", "train", "tasks", "verify/perplexity.py", "pipeline/language.py"),
    }  # fmt: skip
    folder = run.stage("verify", inputs, lambda folder, work: _judge(context, dataset, task, (trained, folder, work)))
    return str(json.loads((folder / PERPLEXITY).read_text(encoding="utf-8"))["sentence"])


def _judge(context: Context, dataset: Dataset, task: LanguageTask, places: tuple[Path, Path, Path]) -> None:
    recipe, section = context.recipe, context.recipe.train or Train()
    (trained, folder, work), kind = places, context.recipe.model
    assert isinstance(kind, PretrainedTransformer | ScratchTransformer)
    model = load_language(trained / "model", kind.max_tokens, task)
    _encode(context, model.codec, "confirm", dataset.confirm, work)
    rows = open_rows(work / "confirm.tokens", task.packing, model.codec.max_tokens, model.cover)
    own = _guesses(model.network, rows, dataset.confirm, section)
    write_guesses(folder / "reference.jsonl", own)
    change = None
    start = build_language(kind, task, (), section.seed) if isinstance(kind, PretrainedTransformer) else None
    if start and start.ready:
        before = _guesses(start.network, rows, dataset.confirm, section)
        write_guesses(folder / "start.jsonl", before)
        change = compare(before, own, "token", confidence=recipe.verify.confidence)
    (folder / PERPLEXITY).write_text(json.dumps(_facts(own, change), indent=1, ensure_ascii=False), encoding="utf-8")


def _facts(own: Guesses, change: Change | None) -> dict[str, object]:
    """Return what the verdict of a language run holds. What is covered is a sample: it has no figure per byte."""
    facts: dict[str, object] = {
        "documents": len(own.ids), "tokens": int(own.tokens_N.sum()), "bytes": int(own.bytes_N.sum()), "nats_per_token": own.loss("token"),
        "perplexity_per_token": own.perplexity("token"), "start": asdict(change) if change else None,
    }  # fmt: skip
    unit = say("covered token") if own.masked else say("token")
    told = say("Perplexity {value:.3f} per {unit} on {n:,} documents of confirm.", value=own.perplexity("token"), unit=unit, n=len(own.ids))
    if not own.masked:
        facts |= {"bits_per_byte": own.loss("byte") / np.log(2), "perplexity_per_byte": own.perplexity("byte")}
        told += " " + say("{bits:.4f} bits per byte.", bits=facts["bits_per_byte"])
    if change:
        told += " " + sentence(change, masked=own.masked)
    return facts | {"sentence": told}


def _guesses(network: LanguageNetwork, rows: LanguageRows, split: Split, section: Train) -> Guesses:
    nats, tokens = score_documents(network, rows, section, vocabulary_of(network), precision="fp32")
    return Guesses(split.ids, nats, tokens, rows.sizes, masked=rows.cover is not None)


def refuse_other_stages(until: str) -> None:
    """Language models are trained and measured, no more.

    Raises:
        UsageFault: another stage is asked for.
    """
    if until in ("compress", "export"):
        raise UsageFault(
            say("a language task has no stage '{stage}'", stage=until),
            step=say("Name the run's train/model in model.weights of a recipe with task classify."),
        )


def _sample(dataset: Dataset) -> Iterator[str]:
    """Yield documents to learn a vocabulary from, evenly over train."""
    characters = max(1, int(dataset.facts["characters"]["p50"])) * len(dataset.train)
    step = max(1, characters // _LEARNED_CHARACTERS)
    for start in range(0, len(dataset.train), 1024):
        yield from dataset.train.texts(slice(start, min(start + 1024, len(dataset.train)), step))


def _teller(context: Context, name: str, count: int) -> Callable[[int, int], None]:
    """Return what tells, every few seconds, how far the encoding of a split is."""
    began = last = time.monotonic()

    def tell(documents: int, tokens: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _TOLD_SECONDS:
            last = now
            rate = tokens / (now - began)
            context.watch.stage(
                "train",
                say("{name}: {done:,} of {n:,} documents, {rate:,.0f} tokens/s", name=name, done=documents, n=count, rate=rate),
            )

    return tell
