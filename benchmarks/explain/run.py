"""Which explanation is faithful? All methods on the same texts, measured on the model itself, with the time each takes.

    python benchmarks/explain/run.py --model RUN/train/model --data FOLDER [--text COL] [--split NAME] [--texts N] [--quick] [--out FILE]

Comprehensiveness, sufficiency and the area under the deletion curve (DeYoung et al. 2020), each with a 95 % interval over texts; `random`
names words by chance: what is no better than it explains nothing. 200 texts by default, some minutes; `--quick` 40.
"""

import argparse
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.explain.attribution import Ask, Attribution, attribute
from smelt.explain.faithfulness import measure
from smelt.explain.words import by_word, split_words
from smelt.models.attribution import integrated_gradients, padding_of
from smelt.models.build import Model, load_model
from smelt.models.session import LiveSession
from smelt.runtime.bundle import score_texts
from smelt.runtime.isa import cores, cpu_name

METHODS = ("random", "occlusion", "shapley", "gradients")


def main() -> None:
    options = _options()
    model = load_model(options.model)
    session = LiveSession(model.network, threads=cores())

    def ask(texts: list[str]) -> np.ndarray:
        return model.codec.decode(score_texts(session, model.codec, list(texts))).probabilities

    table = open_table(split_files(options.data)[options.split])
    every = [str(record.values[0]) for record in table.records((options.text,))]
    chosen = np.random.default_rng(0).permutation(len(every))[: 40 if options.quick else options.texts]
    rows = {}
    for method in METHODS:
        began = time.perf_counter()
        found = [_attributed(method, model, ask, every[number], int(number)) for number in chosen]
        seconds = (time.perf_counter() - began) / len(found)
        each = [measure(ask, [one]) for one in found]
        rows[method] = {"seconds_per_text": seconds} | {
            name: _interval([getattr(one, name) for one in each]) for name in ("comprehensiveness", "sufficiency", "deletion")
        }
        print(method, json.dumps(rows[method]), flush=True)
    result = {
        "model": str(options.model), "data": options.data.name, "texts": len(chosen), "methods": rows,
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(_table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a run's train/model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", default="text")
    parser.add_argument("--split", default="test")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="40 texts")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-explain/results.json"))
    return parser.parse_args()


def _attributed(method: str, model: Model, ask: Ask, text: str, seed: int) -> Attribution:
    if method in ("occlusion", "shapley"):
        return attribute(ask, text, method=method)
    words, probabilities = split_words(text), ask([text])[0]
    label = int(probabilities.argmax())
    if method == "random":
        values = np.random.default_rng(seed).normal(size=len(words))
    else:
        numbers, offsets = model.codec.encoder.pieces(text)
        ids, frame = torch.tensor(numbers), torch.tensor([end == start for start, end in offsets])
        baseline = torch.where(frame, ids, torch.full_like(ids, padding_of(model.network)))
        values = np.array(by_word(words, offsets, integrated_gradients(model.network, ids, baseline, label).tolist()))
    return Attribution(words=words, values=values, label=label, probability=float(probabilities[label]), method=method)


def _interval(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "half": float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))}


def _table(rows: dict[str, dict]) -> str:
    lines = ["| method | comprehensiveness | sufficiency | deletion | s per text |", "|---|---:|---:|---:|---:|"]
    for name, row in rows.items():
        cells = [f"{row[key]['mean']:.3f} ± {row[key]['half']:.3f}" for key in ("comprehensiveness", "sufficiency", "deletion")]
        lines.append(f"| {name} | {' | '.join(cells)} | {row['seconds_per_text']:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
