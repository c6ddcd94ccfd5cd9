"""One process of a whole training: `python -m tests.parallel.sitting WORK SPREAD DROPOUT KILLS`. KILLS names who dies when.

A checkpoint after every step; who dies takes its part in that step's update first, as most deaths come between checkpoints. `disk` among
KILLS names the operation of the leading process's disk at which it dies, in the middle of it where it is a write.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from smelt.launch.torchrun import is_joined
from smelt.parallel.world import ALONE, ATTEMPT, join
from smelt.recipe.parallel import Parallel
from smelt.recipe.train import AdamW, Augment, Train
from smelt.run.disk import Disk
from smelt.train.evaluate import judge_classes
from smelt.train.fit import cross_entropy
from smelt.train.language import guessing_loss, judge_guesses
from smelt.train.session import Job, train
from tests.parallel.cases import tiny_bert, tiny_rows
from tests.parallel.language import VOCABULARY, language_model, language_rows

EPOCHS = 3


def job(dropout, dies_at, architecture=""):
    """A tiny BERT, or a language model, that learns for some epochs; at step `dies_at` of this process its loss kills it."""
    seen = [0]
    plain = guessing_loss if architecture else cross_entropy(0.0)

    def loss(network, batch):
        seen[0] += 1
        if seen[0] == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(network, batch)

    noise = Augment(drop_words=0.1, swap_words=0.1)
    section = Train(
        batch_examples=7, batch_tokens=30, optimizer=AdamW(learning_rate=0.003), precision="fp32", seed=4, augment=noise,
        checkpoint_minutes=1e-9, threads=1,
    )  # fmt: skip
    rows, network = tiny_rows(), tiny_bert(dropout)
    judge = judge_classes(tiny_rows(11, seed=1), ("up", "down", "flat"), section)
    if architecture:
        section = section.model_copy(update={"augment": Augment()})
        rows, network = language_rows(masked=False), language_model(architecture)
        judge = judge_guesses(language_rows(masked=False, count=11, seed=1), section, VOCABULARY)
    return Job(
        name="tiny",
        network=network,
        rows=rows,
        judge=judge,
        section=section,
        loss=loss,
        auto_rate=1e-3,
        seconds=60.0,
        epochs=EPOCHS,
        most_epochs=EPOCHS,
        watch=lambda _step, _facts: None,
    )


class DeadlyDisk(Disk):
    """Kills its process at the n-th operation."""

    def __init__(self, last):
        self.last, self.count = last, 0

    def _tick(self):
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, path, data):
        if self.count + 1 == self.last:
            path.write_bytes(data[: len(data) // 2])
        self._tick()
        super().write(path, data)

    def sync(self, path):
        self._tick()
        super().sync(path)

    def rename(self, source, target):
        self._tick()
        super().rename(source, target)


def compare_copies(network, world):
    """Of what several processes have a copy, all must have learned the same."""
    for name, parameter in network.named_parameters():
        if not isinstance(parameter, DTensor):
            mean = parameter.detach().clone()
            dist.all_reduce(mean)
            assert torch.allclose(mean / world.size, parameter, atol=1e-6), name


def main(work, spread, dropout, kills, architecture=""):
    """Train, in as many processes as were started."""
    rank, attempt = os.environ.get("RANK", "0"), os.environ.get(ATTEMPT, "0")
    dies_at = json.loads(kills).get(f"{attempt}/{rank}", 0)
    disk = DeadlyDisk(json.loads(kills).get("disk", 0) if attempt == "0" else 0)
    if not is_joined():
        train(job(float(dropout), dies_at, architecture), Path(work), disk)
        return
    with join(Parallel(**json.loads(spread)), torch.device("cpu"), 60.0, "sitting") as world:
        assert world is not ALONE
        done = replace(job(float(dropout), dies_at, architecture), world=world)
        train(done, Path(work), disk)
        if world.section.pipeline == 1:
            compare_copies(done.network, world)
    if world.leads:
        (Path(work) / "operations").write_text(str(disk.count))


if __name__ == "__main__":
    main(*sys.argv[1:])
