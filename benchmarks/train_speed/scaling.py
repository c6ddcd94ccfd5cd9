"""What does a step cost, and what do two processes gain on two cores? One thread each, fine-tuning as smelt does it, in turns.

    python benchmarks/train_speed/scaling.py --data FOLDER [--text COL] [--label COL] [--max-tokens N] [--quick] [--out DIR]

Ways: `one` process with the whole batch; `half`, one process with half of it, alone on the machine; `halves`, two processes that know
nothing of each other with half a batch each; `two` processes that share the batch and average their gradients. From half to halves the
machine's shared parts are what is lost, from halves to two it is the exchange and waiting for each other. Parts of a step are medians over
the steps of a round; the exchange and the clipping of gradients count as backward. Costs some minutes.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.launch.local import Group, launch
from smelt.models.build import build_model
from smelt.models.network import Network
from smelt.parallel.place import place
from smelt.parallel.world import ALONE, World, join
from smelt.recipe.model import PretrainedTransformer
from smelt.recipe.parallel import LocalLaunch, Parallel
from smelt.recipe.train import AdamW, Augment, Train
from smelt.runtime.isa import cores, cpu_name
from smelt.train.batch import Batch
from smelt.train.fit import Plan, Training, cross_entropy, fit
from smelt.train.optimize import build_optimizer
from smelt.train.rows import LabeledReading, Rows, encode_rows

WAYS = {"one": (1, 32), "half": (1, 16), "halves": (2, 16), "two": (2, 32)}
"""Processes, and documents of a batch."""
WARM, STEPS, ROUNDS = 5, 40, 5
PARTS = ("read", "forward", "backward", "update")


@dataclass
class Ticks:
    """When each part of each step began."""

    at: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in (*PARTS, "end")})

    def tick(self, part: str) -> None:
        """Note that a part begins now."""
        self.at[part].append(time.perf_counter())

    def milliseconds(self) -> dict[str, float]:
        """Return the median of each part, and of a whole step."""
        count = len(self.at["end"])
        table = np.array([self.at[part][:count] for part in (*PARTS, "end")])[:, WARM:] * 1000
        parts = np.median(np.diff(table, axis=0), axis=1)
        return {part: float(value) for part, value in zip(PARTS, parts, strict=True)} | {"step": float(np.median(np.diff(table[-1])))}


class Ticking(Rows):
    """Rows that note when they are read."""

    ticks = Ticks()

    def read(self, numbers: np.ndarray, augment: Augment, seed: tuple[int, int, int]) -> LabeledReading:
        """Return the documents of a batch."""
        self.ticks.tick("read")
        return super().read(numbers, augment, seed)


def main() -> None:
    options = _options()
    if options.way:
        _measure(options)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for lap in range(2 if options.quick else ROUNDS):
        for way in WAYS:
            found[way].append(_round(options, way))
            print(f"round {lap + 1}, {way}: " + ", ".join(f"{part} {value:.1f} ms" for part, value in found[way][-1].items()), flush=True)
    medians = {way: {part: statistics.median(lap[part] for lap in laps) for part in laps[0]} for way, laps in found.items()}
    result = {
        "data": options.data.name, "max_tokens": options.max_tokens, "milliseconds": medians, "rounds": found,
        "efficiency": medians["one"]["step"] / (2 * medians["two"]["step"]),
        "efficiency_without_exchange": medians["one"]["step"] / (2 * medians["halves"]["step"]),
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()}, "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (options.out / "scaling.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("milliseconds", "efficiency", "efficiency_without_exchange")}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a table named train")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-scaling"))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _round(options: argparse.Namespace, way: str) -> dict[str, float]:
    """Measure a way once: the slower of its processes, part by part."""
    for old in options.out.glob("ticks-*.json"):
        old.unlink()
    command, (processes, _) = [sys.executable, __file__, *sys.argv[1:], "--way", way], WAYS[way]
    if way == "two":
        group = Group(command=command, processes=processes, threads=1, folder=options.out)
        launch(group, LocalLaunch(restarts=0), lambda *_: None)
    else:
        running = [subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) for _ in range(processes)]
        if any(process.wait() for process in running):
            sys.exit(f"{way} failed")
    each = [json.loads(path.read_text(encoding="utf-8")) for path in options.out.glob("ticks-*.json")]
    return {part: max(one[part] for one in each) for part in each[0]}


def _measure(options: argparse.Namespace) -> None:
    """Take the steps of one process."""
    torch.set_num_threads(1)
    shared: AbstractContextManager[World] = nullcontext(ALONE)
    if options.way == "two":
        shared = join(Parallel(replicate=2), torch.device("cpu"), 60.0, "scaling")
    with shared as world:
        ticks = _ticks(options, world)
    (options.out / f"ticks-{os.getpid()}.json").write_text(json.dumps(ticks), encoding="utf-8")


def _ticks(options: argparse.Namespace, world: World) -> dict[str, float]:
    records = [record.values for record in open_table(split_files(options.data)["train"]).records((options.text, options.label))]
    texts, names = [str(text) for text, _ in records], [str(name) for _, name in records]
    labels = sorted(set(names))
    model = build_model(PretrainedTransformer(max_tokens=options.max_tokens), labels, (), 0)
    batch = WAYS[options.way][1]
    section = Train(batch_examples=batch, batch_tokens=batch * options.max_tokens, optimizer=AdamW(learning_rate=1e-4))
    numbers = np.array([labels.index(name) for name in names])
    plain = encode_rows(lambda span: texts[span], numbers, model.codec.encode, options.out / f"rows-{os.getpid()}.ids")
    rows, ticks, entropy = Ticking(plain.arrays, plain.labels), Ticking.ticks, cross_entropy(0.0)
    optimizer = build_optimizer(model.network, section.optimizer, 1e-4)
    optimizer.register_step_pre_hook(lambda *_: ticks.tick("update"))
    optimizer.register_step_post_hook(lambda *_: ticks.tick("end"))

    def loss(network: Network, examples: Batch) -> torch.Tensor:
        ticks.tick("forward")
        value = entropy(network, examples)
        ticks.tick("backward")
        return value

    plan = Plan(epochs=99, steps_per_epoch=2**31, precision="bf16", seconds=0.0)
    placed = place(model.network, world, plan.precision)
    training = Training(network=placed, optimizer=optimizer, rows=rows, section=section, plan=plan, loss=loss, world=world)
    for step in fit(training):
        if step.step == WARM + STEPS:
            break
    for path in options.out.glob(f"rows-{os.getpid()}.ids*"):
        path.unlink()
    return ticks.milliseconds()


if __name__ == "__main__":
    main()
