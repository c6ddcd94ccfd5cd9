"""One process of a whole training: `python -m tests.parallel.sitting WORK SPREAD DROPOUT KILLS`. KILLS names who dies when.

A checkpoint after every step; who dies takes its part in that step's update first, as most deaths come between checkpoints.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from smelt.launch.torchrun import is_joined
from smelt.parallel.world import ALONE, ATTEMPT, join
from smelt.recipe.parallel import Parallel
from smelt.recipe.train import AdamW, Augment, Train
from smelt.run.disk import Disk
from smelt.train.evaluate import judge_classes
from smelt.train.fit import cross_entropy
from smelt.train.session import Job, train
from tests.parallel.cases import tiny_bert, tiny_rows

EPOCHS = 3


def job(dropout, dies_at):
    """A tiny BERT that learns for some epochs; at step `dies_at` of this process its loss kills it."""
    seen = [0]
    plain = cross_entropy(0.0)

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
    return Job(
        name="tiny",
        network=tiny_bert(dropout),
        rows=tiny_rows(),
        judge=judge_classes(tiny_rows(11, seed=1), ("up", "down", "flat"), section),
        section=section,
        loss=loss,
        auto_rate=1e-3,
        seconds=60.0,
        epochs=EPOCHS,
        most_epochs=EPOCHS,
        watch=lambda _step, _facts: None,
    )


def main(work, spread, dropout, kills):
    """Train, in as many processes as were started."""
    rank, attempt = os.environ.get("RANK", "0"), os.environ.get(ATTEMPT, "0")
    dies_at = json.loads(kills).get(f"{attempt}/{rank}", 0)
    if not is_joined():
        train(job(float(dropout), dies_at), Path(work), Disk())
        return
    with join(Parallel(**json.loads(spread)), torch.device("cpu"), 60.0, "sitting") as world:
        assert world is not ALONE
        train(replace(job(float(dropout), dies_at), world=world), Path(work), Disk())


if __name__ == "__main__":
    main(*sys.argv[1:])
