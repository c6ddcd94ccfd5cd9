"""Teach one student: build it, let it learn what the reference answers, and for a narrower one cut and teach in turns."""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smelt.compress.distill import distill_loss
from smelt.compress.fake_quantize import quantized_loss
from smelt.compress.layers import greedy_layers
from smelt.compress.pruning import Prices, choose_dims, choose_widths, cut, importance, price
from smelt.compress.students import build_student, epochs_of, learning_rate_of, sliced_copy
from smelt.compress.transfer import TransferSet
from smelt.compress.trial import Search, Training, probe_cost, spread
from smelt.compress.vocabulary import grow, renumber, shrink, used_tokens
from smelt.models.network import Network
from smelt.models.slices import SlicedNetwork, keep_dims, widths_of
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Depth, Width
from smelt.recipe.train import AdamW
from smelt.run.disk import write_json
from smelt.train.checkpoint import Progress
from smelt.train.evaluate import judge_classes
from smelt.train.fit import Loss
from smelt.train.loader import epoch_batches, load
from smelt.train.session import LOG, Job, train

_JUDGED = 256
"""Documents of dev by which layers are chosen."""
_WEIGHED = 16
"""Batches over which importance is summed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What teaching one student needs."""

    plan: Search
    training: Training
    transfer: TransferSet
    start: Network | None
    """The student that `training.start` names; None starts from the reference."""


def teach(lesson: Lesson, folder: Path, work: Path) -> None:
    """Fill a student's folder: weights, codec, log, and how long it took."""
    section, plan = lesson.training.section, lesson.plan
    facts: dict[str, object] = {}
    if isinstance(section, Width) and lesson.start is None:
        network, progress = _narrower(lesson, section, work, facts)
    else:
        network, progress = _learn(lesson, lesson.start or _built(lesson, facts), lesson.training.seconds, epochs_of(section), work)
    plan.reference.network.cpu()  # the loss may have taken it to a GPU
    network.save(folder)
    plan.reference.codec.save(folder)
    (folder / LOG).write_bytes((work / LOG).read_bytes())
    facts |= {"dev_score": progress.best_score, "seconds": progress.seconds}
    (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")


def _built(lesson: Lesson, facts: dict[str, object]) -> Network:
    """Build the student; where layers are chosen by loss, say which stayed."""
    section, reference, classes = lesson.training.section, lesson.plan.reference.network, len(lesson.plan.reference.codec.labels)
    assert not isinstance(section, Width)
    layers = None
    if isinstance(section, Depth) and section.choose == "greedy" and isinstance(reference, TransformerNetwork):
        dev = lesson.plan.dev
        facts["layers"] = layers = greedy_layers(reference, dev.part(spread(len(dev), _JUDGED)), section.layers)
    return build_student(section, reference, classes, lesson.training.seed, layers=layers, rows=lesson.plan.rows)


def _learn(lesson: Lesson, whole: Network, seconds: float, most_epochs: int, work: Path) -> tuple[Network, Progress]:
    """Train the network on the transfer set; one that is no transformer on the tokens that occur, and it gets the others back."""
    plan, training = lesson.plan, lesson.training
    used = None if isinstance(whole, TransformerNetwork) else used_tokens(lesson.transfer.rows, plan.dev)
    rows, dev = (one if used is None else renumber(one, used) for one in (lesson.transfer.rows, plan.dev))
    network = whole if used is None else shrink(whole, used)
    section = plan.train.model_copy(update={"report": "score", "seed": training.seed, "optimizer": AdamW(), "adapter": "none"})
    job = Job(
        name=training.name,
        network=network,
        rows=rows,
        judge=judge_classes(dev, plan.reference.codec.labels, section),
        section=section,
        loss=quantized_loss(_loss(lesson, used)) if training.quantized else _loss(lesson, used),
        auto_rate=learning_rate_of(whole),
        seconds=seconds,
        epochs=training.section.epochs,
        most_epochs=most_epochs,
        watch=lambda step, facts: plan.watch(training.name, step, facts),
    )
    progress = train(job, work, plan.run.disk)
    return (network if used is None else grow(network, whole, used)), progress


def _loss(lesson: Lesson, used_U: NDArray[np.int64] | None) -> Loss:
    """Return the loss against the reference; one that is asked about mixtures reads the student's token numbers."""
    section, reference = lesson.plan.section.distill, lesson.plan.reference.network
    if used_U is not None and section.mixup:
        reference = shrink(reference, used_U)
    return distill_loss(lesson.transfer, section, reference)


def _narrower(lesson: Lesson, section: Width, work: Path, facts: dict[str, object]) -> tuple[Network, Progress]:
    """Cut and teach in turns, down to the cost that the section asks for."""
    plan, rounds = lesson.plan, section.rounds
    network = sliced_copy(section, plan.reference.network)
    prices = _prices(lesson, network, work)
    goals = [prices.whole * section.cost ** ((number + 1) / rounds) for number in range(rounds)]
    cost, seconds, progress, log = prices.whole, 0.0, Progress(), b""
    for number, goal in enumerate(goals):
        place = work / f"round-{number}"
        kept = _kept(lesson, network, replace(prices, whole=cost), goal, place, dims=section.dim if number == 0 else 1.0)
        before = widths_of(network)
        cut(network, kept["heads"], kept["columns"])
        if kept["dims"]:
            keep_dims(network, kept["dims"])
        after = widths_of(network)
        cost -= prices.head * (sum(before.heads) - sum(after.heads)) + prices.column * (sum(before.columns) - sum(after.columns))
        _, progress = _learn(lesson, network, lesson.training.seconds / rounds, max(1, epochs_of(section) // rounds), place)
        seconds, log = seconds + progress.seconds, log + (place / LOG).read_bytes()
    (work / LOG).write_bytes(log)
    facts["widths"] = asdict(widths_of(network))
    progress.seconds = seconds
    return network, progress


def _prices(lesson: Lesson, network: SlicedNetwork, work: Path) -> Prices:
    """Measure what parts cost, once over all sittings."""
    path = work / "prices.json"
    if not path.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(price(partial(probe_cost, lesson.plan), network)), lesson.plan.run.disk)
    return Prices(**json.loads(path.read_text(encoding="utf-8")))


def _kept(lesson: Lesson, network: SlicedNetwork, prices: Prices, goal: float, work: Path, *, dims: float) -> dict[str, list]:
    """Decide what stays, once over all sittings: what was taught since has to fit."""
    path = work / "kept.json"
    if not path.is_file():
        work.mkdir(parents=True, exist_ok=True)
        rows, shape = lesson.transfer.rows, lesson.plan.train
        chosen = epoch_batches(rows, shape, lesson.training.seed, 0)[:_WEIGHED]
        batches = [load(rows, numbers, shape.augment, (0, 0, 0)) for numbers in chosen]
        found = importance(network, batches, _loss(lesson, None))
        heads, columns = choose_widths(found, widths_of(network), prices, goal)
        write_json(path, {"heads": heads, "columns": columns, "dims": choose_dims(found, dims)}, lesson.plan.run.disk)
    return json.loads(path.read_text(encoding="utf-8"))
