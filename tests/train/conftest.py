"""A tiny task: documents of 2 to 8 tokens whose inner tokens give their class away; a CNN for it; disks that are quick or that stop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.recipe.train import AdamW, Augment, Train
from smelt.run.disk import Disk
from smelt.tasks.tokens import ragged
from smelt.train.evaluate import judge_classes
from smelt.train.fit import cross_entropy
from smelt.train.rows import Rows
from smelt.train.session import Job

CLASSES = 3
NOISY = Augment(drop_words=0.2, swap_words=0.2)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_rows(count, seed=0):
    """Token 1 first, token 2 last, between them tokens that only this class has."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    documents = [[1, *(3 + 3 * label + generator.integers(3, size=generator.integers(7))), 2] for label in labels]
    return Rows(ragged(documents), labels)


def tiny_cnn(dropout=0.3):
    torch.manual_seed(3)
    return CnnNetwork(CnnSizes(vocabulary=12, dim=5, filters=4, kernels=(2, 3), classes=CLASSES, dropout=dropout))


@pytest.fixture
def make_rows():
    return tiny_rows


@pytest.fixture
def make_cnn():
    return tiny_cnn


@pytest.fixture
def section():
    """Batches of at most 5 examples, noise, fp32; 23 rows make 5 batches."""
    return Train(batch_examples=5, augment=NOISY, optimizer=AdamW(learning_rate=0.02), precision="fp32", patience=9, seed=4)


@pytest.fixture
def job(section):
    """Three epochs of five steps."""
    return Job(
        name="tiny",
        network=tiny_cnn(),
        rows=tiny_rows(23),
        judge=judge_classes(tiny_rows(11, seed=1), ("up", "down", "flat"), section),
        section=section,
        loss=cross_entropy(0.0),
        auto_rate=1e-3,
        seconds=60.0,
        epochs=3,
        most_epochs=8,
        watch=lambda _step, _facts: None,
    )


@pytest.fixture
def again(job):
    """Builds the same job anew, as the next process would, with some fields changed."""

    def build(section=None, **changes):
        section = job.section.model_copy(update=section or {})
        return replace(job, network=tiny_cnn(), section=section, **changes)

    return build


class QuickDisk(Disk):
    """Waits for no device."""

    def sync(self, path):
        """Return at once."""


class Crash(BaseException):
    """The machine stops. Nothing of ours catches it."""


class StoppingDisk(Disk):
    """Stops the machine at the n-th operation, counted from 0. A write that is cut leaves half of its bytes."""

    def __init__(self, at):
        self.at, self.count = at, 0

    def _step(self):
        self.count += 1
        if self.count > self.at:
            raise Crash

    def write(self, path, data):
        if self.count == self.at:
            super().write(path, data[: len(data) // 2])
        self._step()
        super().write(path, data)

    def sync(self, path):
        self._step()

    def rename(self, source, target):
        self._step()
        super().rename(source, target)


@pytest.fixture
def disk():
    return QuickDisk()


@pytest.fixture
def every_stop():
    """Yields disks that stop at the first operation, at the second, and so on, until the work gets through on one."""

    def disks(limit=40):
        for at in range(limit):
            disk = StoppingDisk(at)
            yield disk
            if disk.count <= at:
                assert at > 4, "the work hardly used the disk"
                return
        raise AssertionError("the work never gets through")

    return disks


@pytest.fixture
def crash():
    return Crash
