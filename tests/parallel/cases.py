"""What one process of a test does: `python -m tests.parallel.cases ANSWER.json`. All cases of a world size in one process group.

Each case trains a tiny network for some steps, spread in one way, and the leading process writes down losses and first gradients.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from smelt.launch.torchrun import is_joined
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.parts import find_parts
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.parallel.place import place
from smelt.parallel.world import World, lay_out, meeting_place
from smelt.recipe.parallel import Parallel
from smelt.recipe.train import AdamW, Train
from smelt.tasks.tokens import ragged
from smelt.train.evaluate import score_rows
from smelt.train.fit import Plan, Training, cross_entropy, fit
from smelt.train.language import LanguageRows, guessing_loss, score_documents
from smelt.train.optimize import build_optimizer
from smelt.train.rows import Rows
from tests.parallel.families import family
from tests.parallel.language import VOCABULARY, decoder, language_model, language_rows

STEPS = 20
CLASSES = 3
SECTION = Train(batch_examples=7, batch_tokens=30, optimizer=AdamW(learning_rate=0.01), precision="fp32", seed=4)
FAMILIES = ("distilbert", "electra", "roberta")
"""Spread by split matrices and as pipelines of two alone: the rest does not depend on the family."""
DECODERS = ("mistral", "qwen2")
"""The same, of language models."""
TIED = ("masked-bert", "gpt2")
"""Read and score tokens by one matrix, of which the first and the last stage of a pipeline hold a copy each."""
SCHEDULES = ("gpipe", "1f1b", "interleaved", "zero_bubble")
SPREADS = {
    2: [
        {"replicate": 2},
        {"shard": 2},
        {"replicate": 2, "microbatches": 3},
        {"shard": 2, "microbatches": 2},
        {"tensor": 2},
        {"tensor": 2, "sequence": True},
        *({"pipeline": 2, "pipeline_schedule": schedule} for schedule in SCHEDULES),
    ],
    4: [
        {"replicate": 4},
        {"shard": 4},
        {"replicate": 2, "shard": 2},
        {"replicate": 2, "shard": 2, "microbatches": 2},
        {"tensor": 4},
        {"tensor": 4, "sequence": True},
        {"replicate": 2, "tensor": 2},
        {"shard": 2, "tensor": 2},
        {"shard": 2, "tensor": 2, "microbatches": 2},
        {"shard": 2, "tensor": 2, "sequence": True},
        {"pipeline": 4},
        {"replicate": 2, "pipeline": 2},
        {"shard": 2, "pipeline": 2},
        {"tensor": 2, "pipeline": 2},
        {"shard": 2, "pipeline": 2, "pipeline_schedule": "interleaved"},
        {"tensor": 2, "pipeline": 2, "pipeline_schedule": "zero_bubble"},
        {"tensor": 2, "pipeline": 2, "sequence": True, "pipeline_schedule": "interleaved"},
    ],
}
"""By processes, every way to spread a training over them."""


def tiny_rows(count=53, seed=0):
    """Documents of 2 to 12 tokens whose inner tokens give their class away; batches of long ones are short of rows."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    documents = [[1, *(3 + 3 * label + generator.integers(3, size=generator.integers(1, 11))), 2] for label in labels]
    return Rows(ragged(documents), labels)


def tiny_bert(dropout=0.0):
    """A BERT whose documents have unlike scores from the start: with small weights their gradients cancel down to rounding."""
    torch.manual_seed(3)
    sizes = TransformerSizes(vocabulary=12, layers=4, dim=12, heads=4, feed_forward=20, dropout=dropout, max_tokens=16, classes=CLASSES)
    network = from_sizes(sizes)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return network


def networks():
    """Each network that is spread, by name, with its examples and its loss."""
    classify = tiny_rows(), cross_entropy(0.1)
    yield "bert", tiny_bert(), *classify
    for kind in FAMILIES:
        yield kind, family(kind), *classify
    yield "cnn", CnnNetwork(CnnSizes(vocabulary=12, dim=5, filters=4, kernels=(2, 3), classes=CLASSES, dropout=0.0)), *classify
    yield "llama", language_model("llama"), language_rows(masked=False), guessing_loss
    yield "masked-bert", language_model("bert"), language_rows(masked=True), guessing_loss
    yield "gpt2", language_model("gpt2"), language_rows(masked=False), guessing_loss
    for kind in DECODERS:
        yield kind, decoder(kind), language_rows(masked=False), guessing_loss


class Noting(torch.optim.AdamW):
    """Writes the gradients of its first step down, in full: of those parameters that this process holds."""

    first: dict[str, list[float]] | None = None

    def step(self, closure=None):
        if self.first is None:
            gradients = {name: parameter.grad for name, parameter in self.network.named_parameters() if parameter.grad is not None}
            whole = {name: one.full_tensor() if isinstance(one, DTensor) else one for name, one in gradients.items()}
            self.first = {name: one.flatten().tolist() for name, one in whole.items()}
        return super().step(closure)


def trained(network, rows, loss, world):
    """Losses of some steps, gradients of the first, scores after the last, and how many tokens the norms worked on at most."""
    seen = [0]
    if parts := find_parts(network):
        for block in network.blocks():
            norm = block.get_submodule(parts.norms[0])
            norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    placed = place(network, world, "fp32")
    optimizer = build_optimizer(network, SECTION.optimizer, 1e-3)
    optimizer.__class__ = Noting
    optimizer.network = network
    plan = Plan(epochs=STEPS, steps_per_epoch=STEPS, precision="fp32", seconds=0.0)
    section = SECTION.model_copy(update={"clip_norm": 0.1})  # shorter than any of the gradients, so that their length counts
    training = Training(
        network=placed, optimizer=optimizer, rows=rows, section=section, plan=plan, loss=loss, world=world
    )  # fmt: skip
    losses = [step.loss for step, _ in zip(fit(training), range(STEPS), strict=False)]
    if isinstance(rows, LanguageRows):
        scores, _ = score_documents(placed, rows, section, VOCABULARY, precision="fp32", world=world)
    else:
        scores = score_rows(placed, rows, section, classes=CLASSES, precision="fp32", world=world)
    return {"losses": losses, "gradients": optimizer.first, "scores": scores.tolist(), "tokens": max(seen)}


def worlds():
    if not is_joined():
        yield "alone", World()
        return
    size = dist.get_world_size()
    for spread in SPREADS[size]:
        section = Parallel(**spread)
        mesh, addends = lay_out(section, torch.device("cpu"))
        yield json.dumps(spread), World(rank=dist.get_rank(), size=size, section=section, mesh=mesh, addends=addends)


def _is_tried(name, section):
    if name in (*FAMILIES, *DECODERS):
        return section in (Parallel(), Parallel(tensor=2), Parallel(tensor=2, sequence=True), Parallel(pipeline=2))
    if name in TIED:
        return section.processes <= 2 or section in (Parallel(shard=2, pipeline=2), Parallel(tensor=2, pipeline=2))
    return name in ("bert", "llama") or section.processes == section.replicate


def main(answer: Path) -> None:
    """Run the cases of as many processes as there are."""
    torch.set_num_threads(1)
    if is_joined():
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        dist.init_process_group("gloo", store=meeting_place(60.0), rank=rank, world_size=size, timeout=timedelta(seconds=60))
    found = {
        f"{name} {spread}": trained(network, rows, loss, world)
        for spread, world in worlds()
        for name, network, rows, loss in networks()
        if _is_tried(name, world.section)
    }
    if not is_joined():
        answer.write_text(json.dumps(found), encoding="utf-8")
        return
    answer.with_name(f"{dist.get_rank()}-{answer.name}").write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
