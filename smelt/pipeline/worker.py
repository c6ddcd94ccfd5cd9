"""Teach students in processes of their own: `python -m smelt.pipeline.worker RUN`, a training as JSON on its standard input.

A student that takes too much memory ends its own process and nothing else. The worker fills the student's place in the run folder; the
search then finds it taught, as it would after a restart. It ends with the process that started it.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

import torch
from pydantic import TypeAdapter

from smelt.compress.stages import student_stage
from smelt.compress.trial import Training
from smelt.data.dataset import open_dataset
from smelt.errors import SmeltError
from smelt.launch.cluster import as_tasks
from smelt.launch.telling import listen, start_of_process
from smelt.pipeline.compress import make_plan, more_texts
from smelt.pipeline.context import Context, Watcher
from smelt.pipeline.news import hearing, telling
from smelt.pipeline.reference import train_reference
from smelt.recipe.compress import NetworkStudent
from smelt.recipe.load import from_dict
from smelt.recipe.parallel import RayLaunch
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder
from smelt.runtime.isa import cores

_RECIPE = ".work/worker.json"


def teach_elsewhere(context: Context, trainings: Sequence[tuple[Training, str]]) -> dict[str, str]:
    """Teach students in other processes, as many at a time as the recipe says.

    Args:
        context: the run.
        trainings: what to teach, each with its place in the run.

    Returns:
        By name, why a student was not taught; empty if all were.
    """
    workers = context.recipe.compress.workers
    assert workers != "none"
    context.run.write_json(_RECIPE, context.recipe.model_dump(mode="json"))
    threads = max(1, cores() // workers)
    section = context.recipe.launch
    if isinstance(section, RayLaunch):
        orders = [(str(context.run.path.resolve()), _order(training, place), threads) for training, place in trainings]
        ends = as_tasks(section.address, ray_task, orders, threads)
        return {training.name: end for (training, _), end in zip(trainings, ends, strict=True) if end}
    with ThreadPoolExecutor(workers) as pool:
        ends = list(pool.map(lambda one: _one(context, one[0], one[1], threads), trainings))
    return {training.name: end for (training, _), end in zip(trainings, ends, strict=True) if end}


def _order(training: Training, place: str) -> str:
    return json.dumps(asdict(training) | {"section": training.section.model_dump(mode="json"), "place": place})


def ray_task(run: str, order: str, threads: int) -> str:
    """Teach one student somewhere on a cluster; return why it was not taught, or nothing."""
    torch.set_num_threads(threads)
    try:
        main(run, io.StringIO(order), io.StringIO())
    except SmeltError as error:
        return error.message
    return ""


def _one(context: Context, training: Training, place: str, threads: int) -> str:
    """Start one worker and hear it out; return why it failed, or nothing."""
    command = [sys.executable, "-m", "smelt.pipeline.worker", str(context.run.path.resolve())]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        errors = process.stderr
        with ThreadPoolExecutor(1) as pool:
            last = pool.submit(lambda: (errors.read().strip() or "-").splitlines()[-1])
            process.stdin.write(_order(training, place))
            process.stdin.close()
            listen(process.stdout, hearing(context.watch))
            code = process.wait()
            return f"{last.result()[:300]} ({code})" if code else ""


def main(run: str, orders: IO[str], tell: IO[str]) -> None:
    """Teach the student that the orders name."""
    order = json.load(orders)
    place, section = order.pop("place"), TypeAdapter(NetworkStudent).validate_python(order.pop("section"))
    folder = RunFolder(Path(run), Disk())
    recipe = from_dict(json.loads((folder.path / _RECIPE).read_text(encoding="utf-8")))
    context = Context(recipe=recipe, recipe_text="", command="", run=folder, watch=telling(tell))
    dataset = open_dataset(folder.path / "data")
    quiet = replace(context, watch=Watcher())
    plan = make_plan(context, dataset, train_reference(quiet, dataset), more_texts(quiet, dataset))
    student_stage(plan, Training(section=section, **order), place)


if __name__ == "__main__":
    told = start_of_process()
    try:
        main(sys.argv[1], sys.stdin, told)
    except SmeltError as error:
        sys.exit(error.message)
