"""From a recipe to a verdict: the stages in order, each skipped where its result already stands."""

import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from smelt.compress.trial import Elsewhere
from smelt.data.build import prepare
from smelt.data.dataset import Dataset, open_dataset
from smelt.errors import UsageFault
from smelt.language import say
from smelt.launch.torchrun import is_joined, leads, processes
from smelt.pipeline.compress import compress, more_texts
from smelt.pipeline.context import Context, Watcher, resolve_paths
from smelt.pipeline.frontier import Bench
from smelt.pipeline.judge import Judgment, judge
from smelt.pipeline.language import judge_language, refuse_other_stages, train_language
from smelt.pipeline.language_job import language_task
from smelt.pipeline.rank import wait_for_orders
from smelt.pipeline.reach import foretold
from smelt.pipeline.reference import fit_floor, train_reference
from smelt.pipeline.ship import ship
from smelt.pipeline.team import Team
from smelt.pipeline.track import listener
from smelt.pipeline.worker import teach_elsewhere
from smelt.recipe.data import DataSection, FilesData
from smelt.recipe.load import load
from smelt.recipe.parallel import TorchrunLaunch
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import LanguageTask
from smelt.report.page import write_report
from smelt.run.disk import Disk, sha256_file
from smelt.run.folder import RunFolder, code_version
from smelt.runtime.clock import Clock, time_elsewhere
from smelt.runtime.isa import cores, cpu_name, isa
from smelt.train.fit import Step
from smelt.train.session import Facts
from smelt.types import Verdict

Done = TypeVar("Done")
_PACKAGES = ("smelt", "torch", "transformers", "tokenizers", "openvino", "nncf", "onnx", "onnxruntime", "scikit-learn", "numpy", "scipy")
# Places of the run folder that a stage and those after it fill.
_PLACES = {
    "data": ("data", "train", "compress", "predictions", "verify", "export"),
    "train": ("train", "compress", "predictions", "verify", "export"),
    "compress": ("compress", "predictions", "verify", "export"),
    "verify": ("compress/race", "predictions", "verify", "export"),
    "export": ("export",),
    "report": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished run leaves."""

    run: Path
    verdict: Verdict | None
    """None where only the first stages were asked for."""
    seconds: dict[str, float]
    """Time of each stage in this sitting."""
    told: str = ""
    """What came out of a language task, which has no verdict."""

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
    recipe = resolve_paths(recipe, path.resolve().parent)
    context = Context(
        recipe=recipe.model_copy(update={"parallel": recipe.parallel.of(processes())}),
        recipe_text=path.read_text(encoding="utf-8"),
        command=shlex.join(["smelt", *sys.argv[1:]]),
        run=folder,
        watch=_tracked(watch or Watcher(), recipe, folder.path),
        clock=clock,
    )
    span = span or Span()
    with _assembled(context) as ready:
        if ready is None:
            return Result(run=folder.path, verdict=None, seconds={})
        with folder.hold():
            if span.start:
                folder.drop(_PLACES[span.start])
            return _Sitting(ready).run(span.until)


@contextmanager
def _assembled(context: Context) -> Iterator[Context | None]:
    """Yield the context of the process that does the job; None in the others that torchrun started, when they are no longer needed.

    Raises:
        UsageFault: torchrun and the recipe do not agree that it was torchrun.
    """
    section = context.recipe.launch
    if is_joined() != isinstance(section, TorchrunLaunch):
        raise UsageFault(
            say("torchrun started this command, and launch.kind is '{kind}'", kind=section.kind) if is_joined()
            else say("launch.kind is 'torchrun', and torchrun did not start this command"),
            step=say("Start one command with launch.kind local, or all processes by torchrun with launch.kind torchrun."),
        )  # fmt: skip
    if not isinstance(section, TorchrunLaunch):
        yield context
    elif not leads():
        wait_for_orders(context)
        yield None
    else:
        team = Team()
        try:
            yield replace(context, team=team)
        finally:
            team.order({})


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
        if task := language_task(context):
            return self.run_language(until, dataset, task)
        for told in foretold(context.recipe, dataset):
            context.watch.stage("data", say("warning: {warning}", warning=told))
        more = more_texts(context, dataset)
        floor = self.timed("train", lambda: fit_floor(context, dataset))
        reference = self.timed("train", lambda: train_reference(context, dataset))
        if until == "train":
            return self.result(None)
        timing, trials = self.timed("compress", lambda: compress(context, dataset, reference, more, _elsewhere(context)))
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

    def run_language(self, until: str, dataset: Dataset, task: LanguageTask) -> Result:
        """Run the stages of a language task."""
        context = self.context
        refuse_other_stages(until)
        trained = self.timed("train", lambda: train_language(context, dataset, task))
        if until == "train":
            return self.result(None)
        told = self.timed("verify", lambda: judge_language(context, dataset, task, trained))
        if until == "report":
            self.write_facts()
            self.timed("report", lambda: write_report(context.run.path, context.run.disk))
        return replace(self.result(None), told=told)

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
    section, run = context.data, context.run
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


def _elsewhere(context: Context) -> Elsewhere | None:
    return None if context.recipe.compress.workers == "none" else partial(teach_elsewhere, context)


def _is_result(name: str) -> bool:
    return name.endswith((".jsonl", ".json", ".safetensors", ".onnx", ".xml", ".bin")) and name not in ("run.json", "workload.json")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
