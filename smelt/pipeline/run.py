"""From a recipe to a verdict: the stages in order, each skipped where its result already stands."""

import json
import math
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from smelt.compress.search import search
from smelt.compress.trial import Search, Trial, spread
from smelt.data.build import prepare
from smelt.data.dataset import Dataset, open_dataset
from smelt.data.unlabeled import read_unlabeled
from smelt.language import say
from smelt.pipeline.context import Context, Watcher, resolve_paths
from smelt.pipeline.frontier import Bench, cost
from smelt.pipeline.judge import LIVE, WORKLOAD, Judgment, judge
from smelt.pipeline.reference import Reference, fit_floor, train_reference
from smelt.pipeline.ship import ship
from smelt.pipeline.track import listener
from smelt.recipe.data import DataSection, FilesData
from smelt.recipe.load import load
from smelt.recipe.recipe import Recipe
from smelt.report.page import write_report
from smelt.run.disk import Disk, sha256_file
from smelt.run.folder import RunFolder, code_version
from smelt.runtime.bench import Workload
from smelt.runtime.clock import Clock, time_elsewhere
from smelt.runtime.isa import cores, cpu_name, isa
from smelt.train.fit import Step
from smelt.train.session import Facts
from smelt.types import Timing, Verdict
from smelt.verify.power import predicted_pass

Done = TypeVar("Done")
_PACKAGES = ("smelt", "torch", "transformers", "tokenizers", "openvino", "nncf", "onnx", "onnxruntime", "scikit-learn", "numpy", "scipy")
# Places of the run folder that a stage and those after it fill.
_PLACES = {
    "data": ("data", "train", "compress", "predictions", "verify", "export"),
    "train": ("train", "compress", "predictions", "verify", "export"),
    "compress": ("compress", "predictions", "verify", "export"),
    "verify": ("predictions", "verify", "export"),
    "export": ("export",),
    "report": (),
}
# Documents that are timed: as many as hold this many tokens, so that a slow reference is timed in seconds too.
_SINGLE_TOKENS, _SINGLES = 3_200, 200
_BATCH_TOKENS, _DOCUMENTS = 12_000, 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished run leaves."""

    run: Path
    verdict: Verdict | None
    """None where only the first stages were asked for."""
    seconds: dict[str, float]
    """Time of each stage in this sitting."""

    @property
    def bundle(self) -> Path | None:
        """The certified bundle, if there is one."""
        return self.run / "export" / "bundle" if self.verdict and self.verdict.certified else None


@dataclass(frozen=True, slots=True)
class Span:
    """Which stages to run."""

    start: str | None = None
    """From here on everything is done again. None: nothing is done again that stands."""
    until: str = "report"
    """Last stage."""


def run(recipe: str | Path, out: str | Path | None = None, *, overrides: Sequence[str] = (), watch: Watcher | None = None) -> Result:
    """Run a recipe to its end. What stands in the run folder from the same inputs is not done again.

    Args:
        recipe: path of the recipe.
        out: run folder; None takes `runs/<recipe name>` below the current folder.
        overrides: settings such as `train.epochs=3`, as `--set` takes them.
        watch: hears how it goes.

    Raises:
        SmeltError: a fault of recipe, data or machine.
    """
    path = Path(recipe)
    loaded = load(path, overrides)
    return run_stages(path, loaded, RunFolder(Path(out) if out else Path("runs") / loaded.name, Disk()), watch=watch)


def run_stages(
    path: Path, recipe: Recipe, folder: RunFolder, *, span: Span | None = None, watch: Watcher | None = None, clock: Clock = time_elsewhere
) -> Result:  # fmt: skip
    """Run some stages of a recipe that was read.

    Args:
        path: of the recipe's file; its paths are resolved against the folder it is in.
        recipe: as read.
        folder: to work in.
        span: stages.
        watch: hears how it goes.
        clock: times models and bundles, each in a process of its own.
    """
    context = Context(
        recipe=resolve_paths(recipe, path.resolve().parent),
        recipe_text=path.read_text(encoding="utf-8"),
        command=shlex.join(["smelt", *sys.argv[1:]]),
        run=folder,
        watch=_tracked(watch or Watcher(), recipe, folder.path),
        clock=clock,
    )
    span = span or Span()
    with folder.hold():
        if span.start:
            folder.drop(_PLACES[span.start])
        return _Sitting(context).run(span.until)


def _tracked(watch: Watcher, recipe: Recipe, run: Path) -> Watcher:
    """Let the recipe's tracker hear every step too."""
    track = listener(recipe.track, run)

    def hear(name: str, step: Step | None, facts: Facts) -> None:
        track(name, step, facts)
        watch.step(name, step, facts)

    return Watcher(stage=watch.stage, step=hear)


class _Sitting:
    """One go at a run: keeps the time of each stage and writes run.json after each."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.seconds: dict[str, float] = {}
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def run(self, until: str) -> Result:
        """Run the stages in order, up to and including `until`."""
        context = self.context
        dataset = self.timed("data", lambda: _data(context))
        if until == "data":
            return self.result(None)
        more = _more_texts(context, dataset)
        floor = self.timed("train", lambda: fit_floor(context, dataset))
        reference = self.timed("train", lambda: train_reference(context, dataset))
        if until == "train":
            return self.result(None)
        timing, trials = self.timed("compress", lambda: _compress(context, dataset, reference, more))
        if until == "compress":
            return self.result(None)
        bench = Bench(dataset=dataset, reference=reference, floor=floor, trials=trials, reference_timing=timing)
        judgment = self.timed("verify", lambda: judge(context, bench))
        if until == "verify":
            return self.result(judgment)
        self.timed("export", lambda: ship(context, reference, judgment))
        if until == "report":
            self.write_facts()
            self.timed("report", lambda: write_report(context.run.path, context.run.disk))
        return self.result(judgment)

    def timed(self, stage: str, work: Callable[[], Done]) -> Done:
        """Do a stage's work, keep its time."""
        self.context.watch.stage(stage, "")
        started = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - started, 1)
        self.write_facts()
        return done

    def result(self, judgment: Judgment | None) -> Result:
        """Put together what the caller gets."""
        return Result(run=self.context.run.path, verdict=judgment.verdict if judgment else None, seconds=self.seconds)

    def write_facts(self) -> None:
        """Write run.json: what ran, on what, with which versions, and what came out, by hash."""
        run = self.context.run
        names = [path for path in sorted(run.path.rglob("*")) if path.is_file() and ".work" not in path.parts and _is_result(path.name)]
        facts = {
            "name": self.context.recipe.name,
            "recipe": self.context.recipe.model_dump(mode="json"),
            "recipe_text": self.context.recipe_text,
            "command": self.context.command,
            "started": self.started,
            "versions": {"python": platform.python_version()} | {name: found for name in _PACKAGES if (found := _version(name))},
            "machine": {"cpu": cpu_name(), "cores": cores(), "isa": isa().split()},
            "stages": {stage: {"state": "done", "seconds": seconds} for stage, seconds in self.seconds.items()},
            "hashes": {path.relative_to(run.path).as_posix(): sha256_file(path) for path in names},
        }
        run.write_json("run.json", facts)


def _data(context: Context) -> Dataset:
    section, run = context.recipe.data, context.run
    inputs = {"data": section.model_dump(mode="json"), "code": code_version("data"), "source": _source_mark(section)}
    place = run.stage("data", inputs, lambda folder, work: _prepare(section, folder, work, run.disk))
    return open_dataset(place)


def _prepare(section: DataSection, folder: Path, work: Path, disk: Disk) -> None:
    prepare(section, folder, work / "staging", disk)


def _source_mark(section: DataSection) -> list[object]:
    """Return what changes when the source's files do: name, size and time of each; the interpreter for docstrings."""
    if not isinstance(section, FilesData):
        return [platform.python_version()]
    place = Path(section.path)
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()]


def _compress(context: Context, dataset: Dataset, reference: Reference, more: Sequence[str]) -> tuple[Timing | None, list[Trial]]:
    run, recipe = context.run, context.recipe
    _write_workload(context, dataset, reference)
    timing = _time_reference(context) if reference.given is None else None
    plan = Search(
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
    )
    return timing, search(plan)


def _more_texts(context: Context, dataset: Dataset) -> Sequence[str]:
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
    inputs = {"train": run.digest("train"), "isa": isa(), "code": code_version("models", "runtime", "tasks")}

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


def _is_result(name: str) -> bool:
    return name.endswith((".jsonl", ".json", ".safetensors", ".onnx", ".xml", ".bin")) and name not in ("run.json", "workload.json")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
