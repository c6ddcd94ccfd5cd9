"""What does each technique add? The same reference, students taught with and without it, on confirm, with intervals.

    python benchmarks/compress/ablation.py --data FOLDER [--text COL] [--label COL] [--set a.b=c] [--quick] [--out DIR]

One reference is trained; for each row of the table a copy of its run searches with one setting changed. Accuracy, with a 95 % interval,
and agreement are counted on confirm (carve it from train: `--set data.splits.confirm=0.3`), and the paired difference of accuracy to the
first row of its kind. Costs the reference's training, and per row up to two thirds of `budget_minutes`; `--quick` teaches two epochs.
Rows that stand in the folder are not done again.
"""

import argparse
import json
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import start

from smelt.data.dataset import open_dataset
from smelt.models.build import load_model
from smelt.recipe.train import Train
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.isa import cores, cpu_name
from smelt.train.evaluate import score_rows
from smelt.train.rows import Rows
from smelt.verify.wilson import wilson

BASE = ["compress.cascade=none", "compress.finalist_seeds=0", "compress.formats=[numpy-fp32, onnxruntime-int8]"]
ROWS: list[tuple[str, str, list[str]]] = [
    ("static", "static", []),
    ("static", "without noisy copies", ["compress.transfer.copies=0"]),
    ("static", "labels alone", ["compress.distill.weight=0"]),
    ("static", "mixtures in 3 of 10 batches", ["compress.distill.mixup=0.3"]),
    ("static", "20,000 pairs", ["compress.students.0.pairs=20000"]),
    ("static", "weights by place", ["compress.students.0.positions=32"]),
    ("static", "tokens of train only", ["compress.vocabulary=used"]),
    ("depth", "2 layers, evenly", []),
    ("depth", "without noisy copies", ["compress.transfer.copies=0"]),
    ("depth", "labels alone", ["compress.distill.weight=0"]),
    ("depth", "layers chosen by loss", ["compress.students.0.choose=greedy"]),
    ("depth", "states, weight 0.1", ["compress.distill.hidden_weight=0.1"]),
    ("depth", "attention, weight 1", ["compress.distill.attention_weight=1"]),
    ("depth", "mixtures in 3 of 10 batches", ["compress.distill.mixup=0.3"]),
    ("width", "3 layers cut to 6 tenths of their cost", []),
]
ROW = "row.json"
STUDENTS = {"static": "{kind: static}", "depth": "{kind: depth, layers: 2}", "width": "{kind: width, layers: 3, cost: 0.6}"}


def main() -> None:
    options = start.options(__doc__.splitlines()[0], name="ablation", quick="two epochs per student")
    run = start.train(options)
    dataset = open_dataset(run / "data")
    texts, labels = dataset.confirm.texts(), np.array(dataset.confirm.labels)
    reference = _reference(run, texts)
    rows = []
    for kind, name, changes in ROWS:
        copy = options.out / f"{kind}-{name}".replace(" ", "-").replace(",", "")
        if not (copy / ROW).is_file():
            _copy(run, copy)
            epochs = ["compress.students.0.epochs=2"] if options.quick else []
            chosen = [f"compress.students=[{STUDENTS[kind]}]", *BASE, *epochs, *changes]
            start.call("compress", str(options.out / "recipe.yaml"), "--out", str(copy), *start.flags([*options.settings, *chosen]))
            (copy / ROW).write_text(json.dumps(_measure(kind, name, copy, texts, labels, reference)), encoding="utf-8")
        rows.append(json.loads((copy / ROW).read_text(encoding="utf-8")))
        print(json.dumps(rows[-1]), flush=True)
    _finish(options, options.out, rows, float((reference == labels).mean()), len(labels))


def _copy(source: Path, run: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)
    for place in ("data", "train", "compress/floor"):
        shutil.copytree(source / place, run / place)


def _reference(run: Path, texts: list[str]) -> np.ndarray:
    model = load_model(run / "train" / "model")
    arrays = model.codec.encode(texts)
    rows = Rows(arrays, np.zeros(len(arrays), np.int64))
    scores = score_rows(model.network, rows, Train(), classes=len(model.codec.labels), precision="fp32")
    return np.array([model.codec.labels[number] for number in scores.argmax(1)])


def _measure(kind: str, name: str, run: Path, texts: list[str], labels: np.ndarray, reference: np.ndarray) -> dict:
    form = "numpy-fp32" if kind == "static" else "onnxruntime-int8"
    folder = next(path for path in sorted((run / "compress").glob(f"*-{form}")) if path.name.startswith(kind))
    bundle = open_bundle(folder / "bundle")
    answers = np.array([bundle.labels[number] for number in score_texts(bundle.session, bundle.codec, texts).argmax(1)])
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    training = json.loads((run / "compress" / folder.name.removesuffix(f"-{form}") / "training.json").read_text(encoding="utf-8"))
    right = answers == labels
    np.save(run / "right.npy", right)
    return {
        "kind": kind, "name": name, "accuracy": float(right.mean()), "interval": wilson(float(right.mean()), len(right)),
        "agreement": float((answers == reference).mean()), "seconds": training["seconds"], "run": run.name,
        **{key: result[key] for key in ("latency_ms_p50", "examples_per_s", "size_bytes")},
    }  # fmt: skip


def _finish(options: argparse.Namespace, out: Path, rows: list[dict], score: float, n: int) -> None:
    """Add paired differences to the first row of each kind; write the table."""
    first: dict[str, np.ndarray] = {}
    lines = [f"reference {score:.2%} on {n:,} rows of confirm", "",
             "| student | | accuracy (95 %) | difference (95 %) | agreement | ms | documents/s | MB | taught |",
             "|---|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in rows:
        right = np.load(out / row["run"] / "right.npy").astype(float)
        base = first.setdefault(row["kind"], right)
        difference = 100 * (right - base)
        row["difference_points"] = float(difference.mean())
        row["difference_error"] = float(difference.std(ddof=1) / np.sqrt(len(right)))
        shown = "" if base is right else f"{row['difference_points']:+.2f} ± {1.96 * row['difference_error']:.2f}"
        low, high = row["interval"]
        lines.append(
            f"| {row['kind']} | {row['name']} | {row['accuracy']:.2%} ({low:.1%} to {high:.1%}) | {shown} | {row['agreement']:.2%} "
            f"| {row['latency_ms_p50']:.2f} | {row['examples_per_s']:,.0f} | {row['size_bytes'] / 1e6:.1f} | {row['seconds']:.0f} s |"
        )
    facts = {
        "data": str(options.data), "reference_score": score, "n": n, "rows": rows, "quick": options.quick,
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()}, "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
