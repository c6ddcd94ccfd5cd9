"""Scores of a live module on encoded rows, and how good they are."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.models.network import Network
from smelt.parallel.pipeline import answer
from smelt.parallel.world import ALONE, World
from smelt.recipe.train import Train
from smelt.tasks.padding import pad
from smelt.train.batch import BatchShape
from smelt.train.device import device_of
from smelt.train.loader import score_batches
from smelt.train.rows import Rows
from smelt.verify.metrics.confusion import classification_report, confusion
from smelt.verify.wilson import wilson

Judge = Callable[[Network, str, World], tuple[float, Mapping[str, float], Mapping[str, str]]]
"""Takes a network, a precision and the processes that share the work. Returns a score, the higher the better, figures of it, and words."""


def score_rows(
    network: Network, rows: Rows, shape: BatchShape, *, classes: int, precision: str, world: World = ALONE
) -> NDArray[np.float32]:
    """Return class scores in the order of the rows, computed where the network is. Shape (n, C).

    The processes of a world share every batch, and each gets all scores.
    """
    network.eval()
    device = device_of(network)
    scores = np.zeros((len(rows), classes), np.float32)
    with torch.no_grad() if world.size > 1 else torch.inference_mode(), torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bf16"
    ):  # fmt: skip
        for batch in score_batches(rows, shape):
            own = batch[world.share(len(batch))]
            ids, mask = pad(rows.take(own if len(own) else batch[:1]))
            found = answer(network, torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            if found is not None:
                scores[own] = found[: len(own)].float().cpu().numpy()
    return world.sum(torch.from_numpy(scores).to(device)).cpu().numpy()


def judge_classes(dev: Rows, labels: Sequence[str], section: Train) -> Judge:
    """Judge by the share of dev's documents that are answered rightly, with its 95 % interval."""

    def judge(network: Network, precision: str, world: World) -> tuple[float, Mapping[str, float], Mapping[str, str]]:
        answers = score_rows(network, dev, section, classes=len(labels), precision=precision, world=world).argmax(1)
        score = float((answers == dev.labels).mean())
        low, high = wilson(score, len(dev))
        if section.report != "classes":
            return score, {"dev_low": low, "dev_high": high}, {}
        report = classification_report(confusion(dev.labels, answers, len(labels)), labels)
        return score, {"dev_low": low, "dev_high": high}, {"report": report}

    return judge
