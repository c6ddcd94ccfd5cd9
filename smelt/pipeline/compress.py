"""The `compress` stage: the workload that everything is timed on, the reference's timing, and the search with all that it needs."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from smelt.compress.search import search
from smelt.compress.trial import Elsewhere, Search, Trial, spread
from smelt.data.dataset import Dataset
from smelt.data.unlabeled import read_unlabeled
from smelt.language import say
from smelt.pipeline.beside import kept_beside
from smelt.pipeline.context import Context
from smelt.pipeline.frontier import cost
from smelt.pipeline.judge import LIVE, WORKLOAD
from smelt.pipeline.reference import Reference
from smelt.run.folder import code_version
from smelt.runtime.bench import Workload
from smelt.runtime.isa import cores, machine
from smelt.types import Timing
from smelt.verify.power import predicted_pass

# Documents that are timed: as many as hold this many tokens, so that a slow reference is timed in seconds too.
_SINGLE_TOKENS, _SINGLES = 3_200, 200
_BATCH_TOKENS, _DOCUMENTS = 12_000, 1_024


def compress(
    context: Context, dataset: Dataset, reference: Reference, more: Sequence[str], elsewhere: Elsewhere | None
) -> tuple[Timing | None, list[Trial]]:
    """Run the stage; return the reference's timing, None where it is a file of answers, and every candidate."""
    _write_workload(context, dataset, reference)
    timing = _time_reference(context) if reference.given is None else None
    return timing, search(replace(make_plan(context, dataset, reference, more), elsewhere=elsewhere))


def make_plan(context: Context, dataset: Dataset, reference: Reference, more: Sequence[str]) -> Search:
    """Put together what a search starts from."""
    run, recipe = context.run, context.recipe
    return Search(
        section=recipe.compress,
        train=reference.section,
        reference=reference.model,
        name=reference.name,
        rows=reference.rows,
        dev=reference.dev,
        train_texts=dataset.train.texts,
        dev_texts=dataset.dev.texts(),
        more_texts=more,
        reference_dev=reference.dev_answers,
        least_dev_score=least_dev_score(reference, recipe.verify.margin_points),
        text_column=context.text_column,
        workload=run.path / WORKLOAD,
        seconds=reference.students_seconds,
        inputs={"train": run.digest("train"), "data": run.digest("data")},
        run=run,
        clock=context.clock,
        watch=context.watch.step,
        chance=partial(
            predicted_pass,
            n_confirm=len(dataset.confirm),
            margin=recipe.verify.margin_points / 100,
            confidence=recipe.verify.confidence,
        ),
        cost=partial(cost, context),
        beside=partial(kept_beside, context, dataset, reference),
    )


def more_texts(context: Context, dataset: Dataset) -> Sequence[str]:
    """Read the recipe's texts without labels, and say how many there are."""
    section = context.recipe.compress.transfer
    if not section.path:
        return ()
    found = read_unlabeled(Path(section.path), section.text, dataset)
    context.watch.stage("data", say("{n:,} texts without labels; {left_out:,} are left out", n=len(found.texts), left_out=found.left_out))
    return found.texts


def _time_reference(context: Context) -> Timing:
    """Time the live reference: fp32, dynamic length."""
    run = context.run
    inputs = {"train": run.digest("train"), "machine": machine(), "code": code_version("models", "runtime", "tasks")}

    def clock(folder: Path, _work: Path) -> None:
        timing = context.clock(run.path / "train" / "model", run.path / WORKLOAD, LIVE)
        (folder / "timing.json").write_text(json.dumps(asdict(timing)), encoding="utf-8")

    return Timing(**json.loads((run.stage("compress/reference", inputs, clock) / "timing.json").read_text(encoding="utf-8")))


def least_dev_score(reference: Reference, margin_points: float) -> float:
    """Return the dev score below which no certificate is in reach: margin and three standard errors below the reference."""
    score = reference.dev_score
    return score - margin_points / 100 - 3 * math.sqrt(2 * score * (1 - score) / len(reference.dev))


def _write_workload(context: Context, dataset: Dataset, reference: Reference) -> None:
    """Choose the documents that everything is timed on: from dev, evenly spread."""
    mean = max(1.0, float(reference.dev.lengths.mean()))
    dev = dataset.dev.texts()
    singles = [dev[row] for row in spread(len(dev), min(_SINGLES, max(20, int(_SINGLE_TOKENS / mean))))]
    documents = [dev[row] for row in spread(len(dev), min(_DOCUMENTS, max(64, int(_BATCH_TOKENS / mean))))]
    load = Workload(singles=singles, documents=documents, threads=sorted({1, cores()}))
    context.run.write_json(WORKLOAD, asdict(load))
