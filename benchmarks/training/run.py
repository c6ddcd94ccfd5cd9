"""How fast does a transformer train, and at which learning rates does it learn? smelt's choices against those they replaced.

    python benchmarks/training/run.py --data FOLDER [--text COL] [--label COL] [--max-tokens N] [--quick] [--out FILE]

Speed: optimizer steps of the built-in MiniLM on batches of the data, as smelt trains now (attention without noise, plain products) and with
the fused kernel, with and without noise on attention; in turns, five rounds, median and spread. Learning: so many steps from the same
weights at several rates, accuracy on held-out rows of train. One training each, so half a point is noise. Costs some minutes on a CPU.
"""

import argparse
import copy
import json
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.models.build import Model, build_model
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.model import PretrainedTransformer
from smelt.recipe.train import AdamW, Train
from smelt.runtime.isa import cores, cpu_name
from smelt.train.evaluate import score_rows
from smelt.train.fit import Plan, Training, cross_entropy, fit
from smelt.train.optimize import build_optimizer, rate_for
from smelt.train.rows import Rows

HELD_OUT = 1000
WAYS = {"plain, no noise": ("eager", 0.0), "fused, no noise": ("sdpa", 0.0), "fused, noise 0.1": ("sdpa", 0.1)}
"""Attention's implementation, and the share of its weights that training drops. The first is smelt's."""
RATES = {"2e-4, head tenfold (auto)": (2e-4, 10.0), "2e-4": (2e-4, 1.0), "4e-4": (4e-4, 1.0)}


def main() -> int:
    options = _options()
    torch.set_num_threads(cores())
    rows, labels, model = _rows(options)
    taught, held_out = rows.part(range(HELD_OUT, len(rows))), rows.part(range(HELD_OUT))
    share = rate_for(model.network, taught, Train())
    result = {
        "speed": _speed(model, taught, rounds=2 if options.quick else 5),
        "rates": [_learn(model, taught, held_out, labels, name, options.steps, share) for name in RATES],
        "batch_examples": 64 * share, "tokens": float(rows.lengths.mean()), "steps": options.steps, "data": options.data.name,
        "machine": {"cpu": cpu_name(), "cores": cores(), "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a table named train")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="two rounds, 60 steps")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.steps = 60 if options.quick else options.steps
    return options


def _rows(options: argparse.Namespace) -> tuple[Rows, list[str], Model]:
    """Read at most 30,000 rows of train, in an order of chance."""
    records = [record.values for record in open_table(split_files(options.data)["train"]).records((options.text, options.label))]
    chosen = [records[row] for row in np.random.default_rng(0).permutation(len(records))[:30_000]]
    labels = sorted({str(label) for _, label in chosen})
    model = build_model(PretrainedTransformer(max_tokens=options.max_tokens), labels, [], seed=0)
    numbers = np.array([labels.index(str(label)) for _, label in chosen])
    return Rows(model.codec.encode([str(text) for text, _ in chosen]), numbers), labels, model


def _speed(model: Model, rows: Rows, *, rounds: int) -> dict[str, dict[str, float]]:
    """Return tokens per second of each way, and its spread over the rounds."""
    laps: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name in WAYS:
            laps[name].append(_tokens_per_s(copy.deepcopy(model.network), rows, *WAYS[name]))
    return {
        name: {"tokens_per_s": statistics.median(times), "spread": (max(times) - min(times)) / statistics.median(times)}
        for name, times in laps.items()
    }


def _tokens_per_s(network: TransformerNetwork, rows: Rows, attention: str, noise: float) -> float:
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Dropout) and "attention.self" in name:
            module.p = noise
    if attention != "eager":
        network.train = lambda mode=True: torch.nn.Module.train(network, mode)  # keep what was set
        network.hugging_face.set_attn_implementation(attention)
    started, tokens = 0.0, 0
    for number, step in enumerate(fit(_training(network, rows, 12, 1e-5, 1.0))):
        if number == 1:  # the first two steps warm up
            started, tokens = time.perf_counter(), 0
        tokens += step.tokens
    return tokens / (time.perf_counter() - started)


def _learn(model: Model, taught: Rows, held_out: Rows, labels: list[str], name: str, steps: int, share: float) -> dict:
    rate, head = RATES[name]
    network = copy.deepcopy(model.network)
    torch.manual_seed(0)
    for _ in fit(_training(network, taught, steps, rate * share, head)):
        pass
    scores = score_rows(network, held_out, Train(), classes=len(labels), precision="bf16")
    return {"rate": name, "peak": rate * share, "accuracy": float((scores.argmax(1) == held_out.labels).mean())}


def _training(network: TransformerNetwork, rows: Rows, steps: int, rate: float, head: float) -> Training:
    """The same first batches, in bf16."""
    optimizer = build_optimizer(network, AdamW(), rate, head=head)
    plan = Plan(epochs=1, steps_per_epoch=steps, precision="bf16", seconds=0.0)
    return Training(network=network, optimizer=optimizer, rows=rows, section=Train(), plan=plan, loss=cross_entropy(0.0))


if __name__ == "__main__":
    sys.exit(main())
