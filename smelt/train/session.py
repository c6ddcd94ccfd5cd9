"""One training from first step to last, over as many sittings as it takes: plan, loop, dev, log, checkpoints, best weights."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from smelt.models.adapters import add_adapters, merge_adapters
from smelt.models.network import Network
from smelt.parallel.place import place
from smelt.parallel.world import ALONE, World
from smelt.recipe.train import Train
from smelt.run.disk import Disk, write_file, write_json
from smelt.train.batch import Examples
from smelt.train.checkpoint import Checkpoints, Learner, Progress
from smelt.train.device import find_device
from smelt.train.evaluate import Judge
from smelt.train.fit import Loss, Plan, Step, Training, fit
from smelt.train.flops import count_flops, peak_flops
from smelt.train.optimize import build_optimizer, rate_for
from smelt.train.pace import make_plan, measure_pace

_LOG = logging.getLogger("smelt")
PLAN = "plan.json"
LOG = "log.jsonl"
Facts = Mapping[str, Any]
"""What became of an epoch: numbers, and the report of its classes where the recipe asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train, on what, judged how."""

    name: str
    network: Network
    rows: Examples
    judge: Judge
    """Says after each epoch how good the network is; the best one's weights are kept."""
    section: Train
    loss: Loss
    auto_rate: float
    """Peak learning rate, for batches of 64 examples, where the section says `auto`."""
    head: float = 1.0
    """How many times that rate the network's head learns at."""
    seconds: float
    """Time there is; sizes `auto` epochs."""
    epochs: int | Literal["auto"]
    most_epochs: int
    selects: bool = True
    """Judge each epoch and keep the best; False takes all epochs and keeps the last."""
    watch: Callable[["Step | None", Facts], None]
    """Hears of every step, and of every epoch with its facts (step None)."""
    world: World = ALONE
    """The processes that train together. Each calls `train` with the same job; the leading one writes and speaks."""


def train(job: Job, work: Path, disk: Disk) -> Progress:
    """Train `job.network` in place and leave it, on the CPU, with the weights of its best epoch on dev.

    Where several processes train, each is left with its part: `parallel.state.write_tensors` puts the network together.

    Args:
        job: the training.
        work: folder that outlives a crash, the same for all processes; plan, log and checkpoints stand in it.
        disk: through which checkpoints are written.

    Returns:
        Steps, history and time, over all sittings.
    """
    work.mkdir(parents=True, exist_ok=True)
    if job.section.threads != "auto":
        torch.set_num_threads(job.section.threads)
    adapter = job.section.adapter
    if adapter != "none":
        add_adapters(job.network, adapter, job.section.seed)
    plan = _plan(job, work, disk)
    torch.manual_seed(job.section.seed + job.world.stream)
    job.network.to(find_device(job.section.device))
    flops = count_flops(job.network)
    placed = place(job.network, job.world, plan.precision)
    optimizer = build_optimizer(
        job.network, job.section.optimizer, job.auto_rate * rate_for(job.network, job.rows, job.section), head=job.head
    )
    training = Training(
        network=placed, optimizer=optimizer, rows=job.rows, section=job.section, plan=plan, loss=job.loss, world=job.world, flops=flops
    )  # fmt: skip
    learner = Learner(job.network, optimizer, job.world)
    with Checkpoints(work / "checkpoints", learner, disk, kept=job.section.checkpoints) as checkpoints:
        progress, best = checkpoints.load() or (Progress(), {})
        if job.world.leads:
            _cut_log(work / LOG, progress.step, disk)
            if progress.step:
                _LOG.info("%s: resumes after step %d", job.name, progress.step)
        if not _finished(progress, plan, job.section):
            best = _run(job, training, progress, best, work, checkpoints)
    if best:
        job.network.load_state_dict(best)
    job.network.cpu()
    if adapter != "none":
        merge_adapters(job.network)
    return progress


def _run(
    job: Job, training: Training, progress: Progress, best: dict[str, Tensor], work: Path, checkpoints: Checkpoints
) -> dict[str, Tensor]:  # fmt: skip
    saved = tick = time.monotonic()
    for step in fit(training, start=progress.step):
        now = time.monotonic()
        progress.seconds += now - tick
        tick = now
        _record(progress, step)
        if job.world.leads:
            _append(work / LOG, _step_facts(step, progress))
            job.watch(step, {})
        if step.ends_epoch:
            best = _judge_epoch(job, training, progress, step, best, work) if job.selects else _pass_epoch(progress, step)
        if step.ends_epoch or _is_due(job, step, now - saved):
            checkpoints.save(progress, best)
            saved = time.monotonic()
        if _finished(progress, training.plan, job.section):
            break
        tick = time.monotonic()
    return best


def _is_due(job: Job, step: Step, seconds: float) -> bool:
    """Whether it is time for a checkpoint: the leading process decides, and copies that learn by themselves have to have met."""
    return step.step % job.world.section.sync_every == 0 and job.world.follow(seconds > job.section.checkpoint_minutes * 60)


def _judge_epoch(
    job: Job, training: Training, progress: Progress, step: Step, best: dict[str, Tensor], work: Path
) -> dict[str, Tensor]:  # fmt: skip
    """Judge the network, keep the weights if they are the best so far, write the epoch down."""
    score, figures, report = job.judge(training.network, training.plan.precision, job.world)
    if score > progress.best_score:
        progress.best_score, progress.best_epoch = score, step.epoch
        best = {name: tensor.detach().clone() for name, tensor in job.network.state_dict().items()}
    facts = {
        "epoch": step.epoch,
        "train_loss": progress.loss_sum / max(1, progress.loss_count),
        "dev_score": score,
        **figures,
        "seconds": round(progress.seconds, 3),
        **_pace_facts(progress, training.plan),
    }
    progress.history.append(facts)
    progress.loss_sum, progress.loss_count, progress.tokens, progress.flops = 0.0, 0, 0, 0.0
    told = {**facts, **report}
    if job.world.leads:
        _append(work / LOG, {"event": "epoch", "step": step.step, **told})
        job.watch(None, told)
    return best


def _pace_facts(progress: Progress, plan: Plan) -> dict[str, float]:
    """Return how fast this epoch's steps were; `mfu` is the share of the measured peak (model FLOPs utilization)."""
    before = progress.history[-1]["seconds"] if progress.history else 0.0
    seconds = max(1e-9, progress.seconds - before)
    rate = progress.flops / seconds
    return {
        "tokens_per_s": round(progress.tokens / seconds, 1), "flops_per_s": rate, "mfu": round(rate / max(1.0, plan.peak_flops), 4),
    }  # fmt: skip


def _pass_epoch(progress: Progress, step: Step) -> dict[str, Tensor]:
    progress.history.append({"epoch": step.epoch})
    progress.best_epoch = step.epoch
    return {}


def _plan(job: Job, work: Path, disk: Disk) -> Plan:
    """Read the plan of an earlier sitting, or measure this machine's speed and make one."""
    if not job.world.follow((work / PLAN).is_file()):
        pace = measure_pace(job.network, job.rows, job.section, job.loss, job.world)
        plan = make_plan(pace, job.rows, job.section, seconds=job.seconds, epochs=job.epochs, most=job.most_epochs)
        plan = replace(plan, peak_flops=job.world.size * peak_flops(find_device(job.section.device), plan.precision))
        if job.world.leads:
            write_json(work / PLAN, asdict(plan), disk)
        job.world.wait()
    return Plan(**json.loads((work / PLAN).read_text(encoding="utf-8")))


def _finished(progress: Progress, plan: Plan, section: Train) -> bool:
    done = len(progress.history)
    return done >= plan.epochs or (done > 0 and done - 1 - progress.best_epoch >= section.patience)


def _record(progress: Progress, step: Step) -> None:
    progress.step = step.step
    progress.loss_sum += step.loss
    progress.tokens += step.tokens
    progress.flops += step.flops
    progress.loss_count += 1


def _step_facts(step: Step, progress: Progress) -> dict[str, object]:
    return {
        "event": "step", "step": step.step, "epoch": step.epoch, "loss": round(step.loss, 6), "learning_rate": step.learning_rate,
        "tokens": step.tokens, "seconds": round(progress.seconds, 3),
    }  # fmt: skip


def _append(path: Path, facts: Mapping[str, object]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(facts) + "\n")


def _cut_log(path: Path, step: int, disk: Disk) -> None:
    """Drop what was logged after the checkpoint; those steps come again."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        write_file(path, "".join(line + "\n" for line in kept).encode(), disk)
