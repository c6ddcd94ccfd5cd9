"""Does the planner foretell smelt's own training on this machine? It is measured, then trainings are foretold and run.

    python benchmarks/plan/this_machine.py --data FOLDER [--quick] [--entry FILE] [--times FILE] [--out FILE]

FOLDER holds banking77/train.parquet and tinyshakespeare/train.parquet. Questions are joined and cut to exactly 64 tokens, so that nothing
is padding: MiniLM learns their intents (word embeddings frozen, dropout as its configuration has it), and so does a BERT of 4 layers, 512
wide, from random weights, all of which learn. A llama of 4 layers, 256 wide, learns rows of 128 tokens of Shakespeare. One, two and four
processes, each with its share of the cores; the time of a step is the median after the first ones, whole: reading, forward, backward,
exchange, clipping, update. Nothing of these runs goes into what they are foretold from. Costs about eight minutes on an idle machine;
`--quick` two processes at most and bf16 alone. `--entry` takes an entry of `smelt plan --calibrate` and measures no machine, `--times` the
times of an earlier table and runs nothing.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from smelt.launch.local import Group, launch
from smelt.launch.telling import start_of_process
from smelt.models.build import build_model
from smelt.models.folder import find_weights
from smelt.models.language import LanguageSizes, from_sizes
from smelt.models.network import Network
from smelt.models.transformer import TransformerSizes
from smelt.models.transformer import from_sizes as encoder_from_sizes
from smelt.models.vocabulary import train_tokenizer
from smelt.parallel.measure import threads_of
from smelt.parallel.place import place
from smelt.parallel.world import ALONE, World, join
from smelt.pipeline.calibrate import calibrate
from smelt.plan.cluster import Cluster
from smelt.plan.config import read_config, shape_of
from smelt.plan.constants import Constants
from smelt.plan.hardware import Accelerator, read_entry
from smelt.plan.layout import Work
from smelt.plan.probe import layout_of
from smelt.plan.shape import Shape
from smelt.plan.software import SMELT
from smelt.plan.step import Estimator
from smelt.recipe.model import PretrainedTransformer, Vocabulary
from smelt.recipe.parallel import LocalLaunch, Parallel
from smelt.recipe.train import AdamW, Train
from smelt.runtime.isa import cores, cpu_name
from smelt.train.batch import Examples
from smelt.train.documents import Tokens
from smelt.train.fit import Loss, Plan, Training, cross_entropy, fit
from smelt.train.language import LanguageRows, guessing_loss
from smelt.train.optimize import build_optimizer
from smelt.train.rows import Rows
from smelt.types import Arrays

WARM, STEPS, MOST_SECONDS = 3, 9, 8.0
LENGTH = {"minilm": 64, "bert": 64, "llama": 128}
BATCH = {"minilm": 16, "bert": 16, "llama": 8}
BERT = {"layers": 4, "dim": 512, "heads": 8, "feed_forward": 2048, "dropout": 0.1, "vocabulary": 30522}
SIZES = {"architecture": "llama", "layers": 4, "dim": 256, "heads": 4, "kv_heads": 4, "feed_forward": 1024, "dropout": 0.0}
VOCABULARY, LABELS = 4096, 77


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training. `batch`: rows of a step over all processes."""

    model: str
    batch: int
    precision: str
    parallel: dict[str, int] = field(default_factory=dict)

    @property
    def section(self) -> Parallel:
        return Parallel(**self.parallel)

    @property
    def work(self) -> Work:
        return Work(sequence=LENGTH[self.model], batch=self.batch, precision=self.precision)

    @property
    def shape(self) -> Shape:
        if self.model == "minilm":
            shape = read_config(find_weights("all-MiniLM-L6-v2", "main"))
            return replace(shape, head_share=0.0, frozen=shape.vocab * shape.hidden)
        if self.model == "bert":
            sizes = {"model_type": "bert", "vocab_size": BERT["vocabulary"], "num_hidden_layers": BERT["layers"],
                     "hidden_size": BERT["dim"], "num_attention_heads": BERT["heads"], "intermediate_size": BERT["feed_forward"],
                     "max_position_embeddings": LENGTH["bert"], "type_vocab_size": 2}  # fmt: skip
            return shape_of(sizes, "bert")
        sizes = {"model_type": "llama", "vocab_size": VOCABULARY, "num_hidden_layers": SIZES["layers"], "hidden_size": SIZES["dim"],
                 "num_attention_heads": SIZES["heads"], "intermediate_size": SIZES["feed_forward"]}  # fmt: skip
        return shape_of(sizes, "llama")


def runs(ranks: int, *, quick: bool) -> list[Run]:
    """What is trained with so many processes: all networks in bf16, and in fp32 all but the BERT."""
    precisions = ("bf16",) if quick else ("fp32", "bf16")
    cases = [(model, precision) for model in BATCH for precision in precisions if (model, precision) != ("bert", "fp32")]
    if ranks == 1:
        return [Run(model=model, batch=BATCH[model] * times, precision=each) for model, each in cases for times in (1, 2)]
    ways = [{"replicate": ranks}, {"shard": ranks}, {"tensor": ranks}, {"pipeline": ranks}]
    found = [Run(model=model, batch=BATCH[model], precision=each, parallel=way) for model, each in cases for way in ways]
    if ranks == 4:
        mixed = [{"replicate": 2, "shard": 2}, {"replicate": 2, "tensor": 2}, {"tensor": 2, "pipeline": 2}, {"replicate": 2, "pipeline": 2}]
        found += [Run(model=model, batch=BATCH[model], precision="bf16", parallel=way) for model in ("minilm", "llama") for way in mixed]
    return found


def main() -> None:
    options = _options()
    if options.ranks:
        _measure(options)
        return
    numbers = (1, 2) if options.quick else (1, 2, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        entry = read_entry(options.entry) if options.entry else calibrate(numbers, folder / "hardware.json")
        print(f"measured in {time.perf_counter() - began:.0f} s: {entry}", flush=True)
        if options.times:
            rows = _told_anew(options.times, entry)
        else:
            _prepare(options.data, folder)
            rows = [row for number in numbers for row in _rows(options, number, folder, entry)]
    numbers = sorted({row["ranks"] for row in rows})
    errors = [abs(row["error"]) for row in rows]
    result = {
        "rows": rows, "median_error": statistics.median(errors), "mean_error": statistics.mean(errors), "largest_error": max(errors),
        "median_error_by_ranks": {n: statistics.median(abs(r["error"]) for r in rows if r["ranks"] == n) for n in numbers},
        "median_error_by_model": {m: statistics.median(abs(r["error"]) for r in rows if r["model"] == m) for m in BATCH
                                  if any(r["model"] == m for r in rows)},
        "entry": {"peak_tflops": dict(entry.peak_tflops), "memory_gbps": entry.memory_gbps, "link_gbps": entry.link_gbps,
                  "constants": dict(entry.constants)},
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version(), "torch": torch.__version__},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("\n".join([*map(_line, rows), f"median error {result['median_error']:.1f} %, largest {result['largest_error']:.1f} %"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="two processes at most, bf16 alone")
    parser.add_argument("--entry", type=Path, help="of a machine that was measured before")
    parser.add_argument("--times", type=Path, help="a table of this benchmark: its times are foretold anew")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--ranks", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(data: Path, folder: Path) -> None:
    """Write token numbers that all processes read."""
    table = pq.read_table(data / "banking77" / "train.parquet").to_pylist()
    labels = sorted({row["label"] for row in table})
    model = build_model(PretrainedTransformer(max_tokens=LENGTH["minilm"]), labels, (), 0)
    texts = [" ".join(row["text"] for row in table[start : start + 16]) for start in range(0, len(table) - 16, 16)]
    model.codec.encode(texts).ids.astype(np.int32).tofile(folder / "minilm.ids")
    text = pq.read_table(data / "tinyshakespeare" / "train.parquet").to_pylist()[0]["text"]
    tokenizer = train_tokenizer([text], Vocabulary(method="byte_bpe", size=VOCABULARY))
    np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32).tofile(folder / "llama.ids")


def _rows(options: argparse.Namespace, ranks: int, folder: Path, entry: Accelerator) -> list[dict]:
    """Run what is run with so many processes, and hold it against what is foretold."""
    command = [sys.executable, str(Path(__file__).resolve()), "--ranks", str(ranks), "--folder", str(folder)]
    command += ["--quick"] if options.quick else []
    launch(
        Group(command=command, processes=ranks, threads=threads_of(ranks), folder=folder / f"ranks-{ranks}"),
        LocalLaunch(restarts=0), lambda *_: None,
    )  # fmt: skip
    found = []
    for run, milliseconds in zip(runs(ranks, quick=options.quick), json.loads((folder / f"{ranks}.json").read_text()), strict=True):
        found.append(_row(run, milliseconds, entry))
        print(_line(found[-1]), flush=True)
    return found


def _told_anew(times: Path, entry: Accelerator) -> list[dict]:
    rows = json.loads(times.read_text(encoding="utf-8"))["rows"]
    return [
        _row(Run(model=row["model"], batch=row["rows"], precision=row["precision"], parallel=row["parallel"]), row["measured_ms"], entry)
        for row in rows
    ]


def _row(run: Run, milliseconds: float, entry: Accelerator) -> dict:
    told = _foretold(run, entry)
    return {
        "model": run.model, "rows": run.batch, "tokens": LENGTH[run.model], "precision": run.precision,
        "ranks": run.section.processes, "parallel": run.parallel, "measured_ms": round(milliseconds, 1), "predicted_ms": round(told, 1),
        "error": round(100 * (told / milliseconds - 1), 1),
    }  # fmt: skip


def _foretold(run: Run, entry: Accelerator) -> float:
    """Milliseconds of a step."""
    count = run.section.processes
    software = replace(SMELT, flash=False, dropout=run.model != "llama")
    estimator = Estimator(run.shape, run.work, Cluster(accelerator=entry, count=count, per_node=count), software, Constants())
    return 1000 * estimator.step(layout_of(run.section, run.work)).seconds


def _line(row: dict) -> str:
    way = " x ".join(f"{name} {number}" for name, number in row["parallel"].items()) or "alone"
    return (
        f"{row['model']:7}{row['rows']:4} x {row['tokens']:<4}{row['precision']:5} {way:28}"
        f"measured {row['measured_ms']:8.1f} ms  predicted {row['predicted_ms']:8.1f} ms  {row['error']:+6.1f} %"
    )


def _measure(options: argparse.Namespace) -> None:
    """Be one process: take steps of each run in turn."""
    start_of_process()
    torch.set_num_threads(threads_of(options.ranks))
    found = []
    for number, run in enumerate(runs(options.ranks, quick=options.quick)):
        alone = options.ranks == 1
        with nullcontext(ALONE) if alone else join(run.section, torch.device("cpu"), 120.0, f"run-{number}") as world:
            found.append(_milliseconds(run, world, options.folder))
            world.wait()
    if os.environ["RANK"] == "0":
        (options.folder / f"{options.ranks}.json").write_text(json.dumps(found), encoding="utf-8")


def _milliseconds(run: Run, world: World, folder: Path) -> float:
    network, rows, loss = _llama(folder) if run.model == "llama" else _classifier(folder, pretrained=run.model == "minilm")
    length = LENGTH[run.model]
    section = Train(batch_examples=run.batch, batch_tokens=run.batch * length, optimizer=AdamW(learning_rate=1e-4))
    placed = place(network, world, run.precision)
    training = Training(
        network=placed, optimizer=build_optimizer(network, section.optimizer, 1e-4), rows=rows, section=section, loss=loss, world=world,
        plan=Plan(epochs=99, steps_per_epoch=2**31, precision=run.precision, seconds=0.0),
    )  # fmt: skip
    ticks = [time.perf_counter()]
    for step in fit(training):
        ticks.append(time.perf_counter())
        if step.step >= WARM + STEPS or (step.step > WARM + 2 and world.follow(ticks[-1] - ticks[0] > MOST_SECONDS)):
            break
    return 1000 * float(np.median(np.diff(ticks)[WARM:]))


def _classifier(folder: Path, *, pretrained: bool) -> tuple[Network, Examples, Loss]:
    ids, length = np.fromfile(folder / "minilm.ids", np.int32), LENGTH["minilm"]
    count = len(ids) // length
    rows = Rows(Arrays(ids=ids, offsets=np.arange(count + 1) * length), np.arange(count) % LABELS)
    if pretrained:
        network = build_model(PretrainedTransformer(max_tokens=length), [str(number) for number in range(LABELS)], (), 0).network
    else:
        torch.manual_seed(0)
        network = encoder_from_sizes(TransformerSizes(max_tokens=length, classes=LABELS, **BERT))
    return network, rows, cross_entropy(0.0)


def _llama(folder: Path) -> tuple[Network, Examples, Loss]:
    ids, length = np.fromfile(folder / "llama.ids", np.int32), LENGTH["llama"]
    count = len(ids) // length
    torch.manual_seed(0)
    network = from_sizes(LanguageSizes(vocabulary=VOCABULARY, max_tokens=length, start=1, end=2, **SIZES))
    tokens = Tokens([ids[: count * length]], np.arange(count + 1) * length)
    return (
        network,
        LanguageRows(tokens, np.arange(count), np.full(count, length), np.arange(count), np.arange(count + 1), None),
        guessing_loss,
    )


if __name__ == "__main__":
    main()
