"""How much faster is what smelt certifies than the reference, and than what else there is? One alternating run per data set.

    python benchmarks/frontier/run.py --data FOLDER [--text COL] [--label COL] [--model FOLDER] [--set a.b=c] [--quick] [--out DIR]

`smelt init` and `smelt run` with their defaults, or `smelt compress --model` for a classifier fine-tuned elsewhere; then every row of
the table timed in turns, each round in a process of its own, end to end with tokenization, on the same dev documents: batch 1 (median,
p99) and batches of 32 sorted by length, each at the better of 1 and all threads. Costs what the recipe's budget says (45 minutes;
`--quick` 8), and about a minute per row. The peers' accuracy is counted on at most 4,000 rows of confirm.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sklearn_clock

from smelt.cli.main import main as smelt
from smelt.data.dataset import open_dataset
from smelt.export.bundle import write_bundle
from smelt.models.build import load_model
from smelt.runtime.bundle import open_bundle
from smelt.runtime.clock import BUNDLES, race
from smelt.runtime.isa import cores, cpu_name, isa
from smelt.runtime.manifest import Manifest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIVE = "smelt.train.clock"
PIPELINE, STATIC_PEER, LINEAR_PEER = "pipeline_clock", "model2vec_clock", "sklearn_clock"
PEERS = ("onnxruntime-fp32", "onnxruntime-int8", "openvino-int8")
ROUNDS = 5
SCORED = 4000
"""Rows of confirm on which the peers' accuracy is counted, at most."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what is timed, by which module."""

    name: str
    folder: Path
    module: str
    score: float | None


def main() -> int:
    options = _options()
    # For the clocks of the peers, which run in processes of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    run = out / "run"
    code = _train(options, run)
    rows = [*_rows(run, out), _linear_peer(run, out), *_static_peer(run, out)]
    entrants = {row.name: (row.folder, row.module) for row in rows}
    timings = race(
        entrants, run / "compress" / "workload.json", out, ROUNDS, tell=lambda lap: print(f"round {lap} of {ROUNDS}", flush=True)
    )
    result = {
        "data": str(options.data), "run_exit_code": code, "verdict": _read(run / "verify" / "verdict.json"),
        "rows": [{"name": row.name, "confirm_score": row.score} | asdict(timings[row.name]) for row in rows],
        "stages": {name: stage["seconds"] for name, stage in _read(run / "run.json")["stages"].items()},
        "machine": {"cpu": cpu_name(), "cores": cores(), "isa": isa(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("torch", "transformers", "onnxruntime", "openvino", "nncf")},
        "commit": _commit(), "date": datetime.now(UTC).date().isoformat(), "rounds": ROUNDS, "quick": options.quick,
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text(table(result), encoding="utf-8")
    print(table(result))
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file or folder, as for smelt init")
    parser.add_argument("--text", help="column of the documents")
    parser.add_argument("--label", help="column of the labels")
    parser.add_argument("--model", type=Path, help="a fine-tuned classifier, compressed without a recipe")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="a.b=c", help="change one value of the recipe")
    parser.add_argument("--quick", action="store_true", help="a budget of 8 minutes: about 20 in all, more where documents are long")
    parser.add_argument("--out", type=Path, help="where run, table and results go; default runs/frontier/<data>")
    options = parser.parse_args()
    options.out = options.out or Path("runs") / "frontier" / options.data.stem
    return options


def _train(options: argparse.Namespace, run: Path) -> int:
    """Do what a user does first: init, then run; or compress, with a model."""
    recipe = options.out / "recipe.yaml"
    columns = [word for name in ("text", "label") if getattr(options, name) for word in (f"--{name}", getattr(options, name))]
    command = ["compress", "--model", str(options.model), "--data", str(options.data), *columns] if options.model else ["run", str(recipe)]
    if not options.model and not recipe.exists():
        code = smelt(["init", str(options.out), "--data", str(options.data), *columns])
        if code:
            sys.exit(code)
    settings = [*(["budget_minutes=8"] if options.quick else []), *options.settings]
    code = smelt([*command, "--out", str(run), *(word for setting in settings for word in ("--set", setting))])
    if code not in (0, 3):
        sys.exit(code)
    return code


def _rows(run: Path, out: Path) -> list[Row]:
    """The reference in PyTorch, by the transformers pipeline, and by each runtime; the floor; what smelt chose."""
    model, dataset = load_model(run / "train" / "model"), open_dataset(run / "data")
    reference, labels = _read(run / "verify" / "verdict.json")["reference_score"], dataset.confirm.labels
    rows = [Row("reference, PyTorch fp32", run / "train" / "model", LIVE, reference)]
    cut = model.codec.windows is not None  # the pipeline knows no windows: it reads the beginning of a document and answers otherwise
    rows.append(Row("reference, transformers pipeline", run / "train" / "model", PIPELINE, None if cut else reference))
    picked = np.sort(np.random.default_rng(0).permutation(len(labels))[:SCORED])
    texts, some = dataset.confirm.texts(picked), [labels[row] for row in picked]
    dev = dataset.train.texts(range(min(300, len(dataset.train))))
    for form in PEERS:
        folder = out / "peers" / form
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        facts = Manifest(name=form, family="network", runtime="numpy", precision="fp32", text_column="text", isa=isa())
        write_bundle(model.network, model.codec, form, facts, calibration=[model.codec.encode([text]) for text in dev], folder=folder)
        rows.append(Row(f"reference, {form}", folder, BUNDLES, _score(folder, texts, some)))
    floor = run / "compress" / "floor" / "bundle"
    rows.append(Row("smelt's floor, TF-IDF + linear", floor, BUNDLES, _score(floor, texts, some)))
    chosen = run / "export" / "bundle"
    if chosen.is_dir():
        name = open_bundle(chosen).manifest.name
        rows.append(Row(f"smelt: {name}", chosen, BUNDLES, _read(run / "verify" / "verdict.json")["candidate_score"]))
    return rows


def _linear_peer(run: Path, out: Path) -> Row:
    """TF-IDF and a linear model as scikit-learn's users have them."""
    folder = out / "peers" / "scikit-learn"
    return Row("TF-IDF + linear, scikit-learn", folder, LINEAR_PEER, sklearn_clock.fit(open_dataset(run / "data"), folder))


def _static_peer(run: Path, out: Path) -> list[Row]:
    """A classifier on model2vec's distilled embeddings, where that package is installed."""
    try:
        from model2vec_clock import fit
    except ModuleNotFoundError:
        print("model2vec is not installed: its row is left out (pip install 'model2vec[distill,train]')")
        return []
    dataset = open_dataset(run / "data")
    folder = out / "peers" / "model2vec"
    return [Row("model2vec + linear", folder, STATIC_PEER, fit(dataset, folder))]


def table(result: dict) -> str:
    """Return the table in Markdown, with ratios to the first row."""
    verdict, rows, first = result["verdict"], result["rows"], result["rows"][0]
    lines = [
        verdict["sentence"], "",
        f"{result['date']}, commit {result['commit']}, {result['machine']['cpu']}, {result['machine']['cores']} cores, "
        f"{result['rounds']} rounds.", "",
        "| | accuracy | ms at batch 1 (p99) | times | documents/s (spread) | times |", "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for row in rows:
        score = "" if row["confirm_score"] is None else f"{row['confirm_score']:.2%}"
        latency = f"{row['latency_ms_p50']:.2f} ({row['latency_ms_p99']:.2f})"
        rate = f"{row['examples_per_s']:,.0f} ({row['spread']:.0%})"
        quicker, more = first["latency_ms_p50"] / row["latency_ms_p50"], row["examples_per_s"] / first["examples_per_s"]
        lines.append(f"| {row['name']} | {score} | {latency} | {quicker:.1f} | {rate} | {more:.1f} |")
    return "\n".join(lines) + "\n"


def _score(bundle: Path, texts: list[str], labels: list[str]) -> float:
    answers = open_bundle(bundle).predict(texts)
    return sum(answer == label for answer, label in zip(answers, labels, strict=True)) / len(labels)


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
