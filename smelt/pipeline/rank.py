"""The reference's training over several processes: what is asked of them, and what each one does.

smelt starts them itself, `python -m smelt.pipeline.rank RUN` (`launch: {kind: local}`), or torchrun has started this command as often
as it is needed: then the first process does the whole job, and the others wait for their share of the training.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol, assert_never

from torch.distributed import DistError

from smelt.data.dataset import open_dataset
from smelt.errors import SmeltError
from smelt.launch.cluster import FAULTS, NEWS, Crew, join_crew, train_on_cluster
from smelt.launch.local import Group, fault_of, launch
from smelt.launch.telling import send, start_of_process
from smelt.models.build import load_model
from smelt.parallel.place import check_spread
from smelt.parallel.pulse import Pulse, behind, signs
from smelt.parallel.state import read_whole, write_tensors
from smelt.parallel.world import join
from smelt.pipeline.context import Context, Watcher
from smelt.pipeline.job import reference_job
from smelt.pipeline.language_job import reopened_job
from smelt.pipeline.news import hearing, telling
from smelt.pipeline.team import Team
from smelt.recipe.load import from_dict
from smelt.recipe.parallel import LocalLaunch, RayLaunch, TorchrunLaunch
from smelt.recipe.task import ClassifyTask
from smelt.recipe.train import Train
from smelt.run.disk import Disk, faults_of_disk, write_json
from smelt.run.folder import RunFolder
from smelt.runtime.isa import cores
from smelt.train.checkpoint import Progress
from smelt.train.device import find_device
from smelt.train.rows import join_rows, open_rows
from smelt.train.session import Job, train

_ORDER = ".work/rank.json"
_TRAINED, _PROGRESS = "trained", "progress.json"


class Codec(Protocol):
    """What stands between text and a network."""

    def save(self, folder: Path) -> None:
        """Write its files into the network's folder."""
        ...


def fit_together(context: Context, job: Job, codec: Codec, work: Path, rows: Path, *, refit: int = 0) -> Progress:
    """Train the job's network over the processes of the recipe, as `train.session.train` does in one.

    Args:
        context: the run.
        job: the training.
        codec: of its model.
        work: folder that outlives a crash.
        rows: folder of the encoded splits.
        refit: epochs over train and dev together; 0 trains on train and judges by dev.
    """
    check_spread(job.network, context.recipe.parallel)
    start = work / "start"
    start.mkdir(parents=True, exist_ok=True)
    job.network.save(start)
    codec.save(start)
    order = {
        "recipe": context.recipe.model_dump(mode="json"), "work": str(work.resolve()), "rows": str(rows.resolve()), "seconds": job.seconds,
        "refit": refit,
    }  # fmt: skip
    parallel, section = context.recipe.parallel, context.recipe.launch
    match section:
        case LocalLaunch():
            context.run.write_json(_ORDER, order)
            command = [sys.executable, "-m", "smelt.pipeline.rank", str(context.run.path.resolve())]
            threads = max(1, cores() // parallel.processes) if job.section.threads == "auto" else job.section.threads
            group = Group(command=command, processes=parallel.processes, threads=threads, folder=work / "ranks")
            launch(group, section, hearing(context.watch))
        case RayLaunch():
            context.run.write_json(_ORDER, order)
            _on_cluster(context, section, work / "ranks")
        case TorchrunLaunch():
            assert context.team is not None
            take_part(context.run, order, context.watch, f"training-{context.team.order(order)}")
        case _:
            assert_never(section)
    job.network.load_state_dict(read_whole(work / _TRAINED))
    return Progress(**json.loads((work / _TRAINED / _PROGRESS).read_text(encoding="utf-8")))


def _on_cluster(context: Context, section: RayLaunch, folder: Path) -> None:
    """Let Ray Train run the processes.

    Raises:
        SmeltError: the fault that one of them told of.
    """
    parallel = context.recipe.parallel
    crew = Crew(
        work=ray_worker, told={"run": str(context.run.path.resolve()), "folder": str(folder.resolve())},
        fewest=parallel.processes if section.fewest == "all" else section.fewest, most=parallel.processes, threads=section.threads,
        device=(context.recipe.train or Train()).device, folder=folder,
    )  # fmt: skip
    for told in train_on_cluster(crew, section, hearing(context.watch)):
        raise fault_of(told["fault"])


def ray_worker(told: dict) -> None:
    """Be one process of a training that Ray started; a fault that a person has to mend is written down, and ends it for good."""
    run, folder = RunFolder(Path(told["run"]), Disk()), Path(told["folder"])
    if (folder / FAULTS).stat().st_size:
        return
    order = json.loads((run.path / _ORDER).read_text(encoding="utf-8"))
    rank = join_crew(folder)
    with (folder / NEWS).open("a", encoding="utf-8") as news:
        try:
            take_part(run, order, telling(news) if rank == 0 else Watcher(), "training")
        except SmeltError as error:
            with (folder / FAULTS).open("a", encoding="utf-8") as faults:
                send(faults, {"fault": {"code": error.exit_code, "message": error.message, "step": error.step}})
            raise


def take_part(run: RunFolder, order: Mapping, watch: Watcher, meeting: str) -> None:
    """Do one process's share of a training. The leading process leaves the weights and the progress in the work folder."""
    recipe, work, rows = from_dict(order["recipe"]), Path(order["work"]), Path(order["rows"])
    spread = recipe.parallel
    if isinstance(recipe.launch, RayLaunch) and recipe.launch.fewest != "all":  # as many copies as there are processes now
        spread = spread.model_copy(update={"replicate": int(os.environ["WORLD_SIZE"])})
    section, seconds = recipe.train or Train(), recipe.launch.timeout_seconds
    pulses = work / "pulses"
    with _faults_of_disk(work), join(spread, find_device(section.device), seconds, meeting) as joined, _named(pulses, joined.size):
        pulse = Pulse(pulses, joined.rank)
        world = replace(joined, pulse=pulse)
        context = Context(recipe=recipe, recipe_text="", command="", run=run, watch=watch)
        job = replace(_job(context, work / "start", rows, order), world=world)
        progress = train(job, work, run.disk)
        trained = work / _TRAINED
        if world.leads:
            shutil.rmtree(trained, ignore_errors=True)
            trained.mkdir()
        world.wait()
        # Tied matrices stand under both their names; a file of safetensors holds no memory twice.
        whole = {name: tensor.detach().clone() for name, tensor in job.network.state_dict().items()}
        write_tensors(whole, trained, world.group())
        if world.leads:
            write_json(trained / _PROGRESS, asdict(progress), run.disk)
        world.wait()
        pulse.end()


def _job(context: Context, start: Path, rows: Path, order: Mapping) -> Job:
    """Open again what the process that gave the order has built."""
    if not isinstance(context.recipe.task, ClassifyTask):
        return reopened_job(context, start, rows, order["seconds"])
    dataset, model = open_dataset(context.run.path / "data"), load_model(start)
    encode = model.codec.encode_labels
    own, dev = (
        open_rows(rows / f"{name}.ids", encode(split.labels, split.ids)) for name, split in (("train", dataset.train), ("dev", dataset.dev))
    )
    job = reference_job(context, dataset, model, (own, dev), order["seconds"])
    if order["refit"]:
        return replace(job, rows=join_rows(own, dev), epochs=order["refit"], selects=False)
    return job


@contextmanager
def _faults_of_disk(work: Path) -> Iterator[None]:
    """Tell a full or failing disk as a fault that a person has to mend: starting again is of no use.

    Raises:
        EnvironmentFault: it was one.
    """
    silent: Exception | None = None
    with faults_of_disk(work):
        try:
            yield
        except (ConnectionError, TimeoutError) as error:
            silent = error
    if silent:
        raise silent


@contextmanager
def _named(pulses: Path, size: int) -> Iterator[None]:
    """Where the processes cannot speak to each other any more, say for which one the others wait.

    Raises:
        RuntimeError: one that is not told as a fault: all start again from the last checkpoint.
    """
    try:
        yield
    except RuntimeError as error:
        silence = isinstance(error, DistError) or any(word in str(error).lower() for word in ("gloo", "nccl"))
        if silence and (late := behind(signs(pulses, size))):
            raise RuntimeError(late) from error
        raise


def wait_for_orders(context: Context) -> None:
    """Do what the first process asks for, until it sends everybody home: one of the processes that torchrun started."""
    for number, order in enumerate(Team().orders()):
        take_part(context.run, order, Watcher(), f"training-{number}")


def main(run: str, watch: Watcher) -> None:
    """Be one process of a training that smelt started."""
    folder = RunFolder(Path(run), Disk())
    order = json.loads((folder.path / _ORDER).read_text(encoding="utf-8"))
    take_part(folder, order, watch, "training")


if __name__ == "__main__":
    told = start_of_process()
    try:
        main(sys.argv[1], telling(told))
    except SmeltError as error:
        send(told, {"fault": {"code": error.exit_code, "message": error.message, "step": error.step}})
        sys.exit(error.message)
