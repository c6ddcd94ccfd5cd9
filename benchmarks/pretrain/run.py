"""What does pretraining on one's own text bring? A classifier with few labels, from the encoder as it is and after it has read on.

    python benchmarks/pretrain/run.py --text FOLDER --data FOLDER [--quick] [--out DIR]

`smelt run` with task masked_language continues from MiniLM on 5,000 documents without labels (`--text`, column text). Then classifiers are
fine-tuned on 1,000 labelled rows (`--data`, columns text and label), from either encoder, with the same seeds and the same steps, and
answer the same confirm rows. The effect is the difference of their accuracies over all seeds, with a 95 % interval by the paired bootstrap
over documents. Costs about 25 minutes on two cores; `--quick` takes 1,000 documents, one seed, and about 8 minutes.
"""

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from smelt.cli.main import main as smelt
from smelt.data.dataset import open_dataset
from smelt.models.build import load_model
from smelt.models.session import LiveSession
from smelt.runtime.bundle import score_texts
from smelt.runtime.isa import cores, cpu_name

MINILM = "all-MiniLM-L6-v2"
TOKENS = 128
LABELLED, CONFIRM = 1000, 4000
DOCUMENTS, QUICK_DOCUMENTS = 5000, 1000
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
EPOCHS = 4
LANGUAGE = """
name: language
data: {{kind: files, path: {text}, splits: {{dev: 0.02, confirm: 0.02, train_rows: {documents}, dev_rows: 200, confirm_rows: 300}}}}
task: {{kind: masked_language}}
model: {{kind: transformer, weights: {weights}, max_tokens: {tokens}}}
train: {{epochs: {epochs}, batch_tokens: 2048, patience: 99}}
"""
CLASSIFIER = """
name: classifier
budget_minutes: 60
data: {{kind: files, path: {data}, splits: {{confirm: test, train_rows: {labelled}, dev_rows: 500, confirm_rows: {confirm}}}}}
task: {{kind: classify}}
model: {{kind: transformer, weights: {weights}, max_tokens: {tokens}}}
train: {{epochs: {epochs}, patience: 99, seed: {seed}}}
"""


def main() -> None:
    options = _options()
    out, quick = options.out, options.quick
    out.mkdir(parents=True, exist_ok=True)
    language = out / "language"
    documents, seeds = (QUICK_DOCUMENTS, QUICK_SEEDS) if quick else (DOCUMENTS, SEEDS)
    _run(
        "run",
        language,
        LANGUAGE.format(text=options.text.resolve(), documents=documents, weights=MINILM, tokens=TOKENS, epochs=options.epochs),
    )
    right = {"as it is": [], "read on": []}
    for seed in seeds:
        for name, weights in (("as it is", MINILM), ("read on", str((language / "train" / "model").resolve()))):
            run = out / f"{name.replace(' ', '-')}-{seed}"
            words = {
                "data": options.data.resolve(),
                "labelled": LABELLED,
                "confirm": CONFIRM,
                "tokens": TOKENS,
                "epochs": EPOCHS,
                "seed": seed,
            }
            _run("train", run, CLASSIFIER.format(weights=weights, **words))
            right[name].append(_right(run))
            print(f"{name}, seed {seed}: {right[name][-1].mean():.2%}", flush=True)
    before, after = (np.stack(right[name]) for name in ("as it is", "read on"))
    gaps = (after.mean(0) - before.mean(0)) * 100
    rng = np.random.default_rng(0)
    drawn = gaps[rng.integers(0, len(gaps), (5000, len(gaps)))].mean(1)
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    result = {
        "documents": documents, "epochs": options.epochs, "labelled": LABELLED, "confirm": len(gaps), "seeds": list(seeds),
        "as_it_is": [float(one.mean()) for one in before], "read_on": [float(one.mean()) for one in after],
        "effect_points": float(gaps.mean()), "lower": float(lower), "upper": float(upper),
        "perplexity": json.loads((language / "verify" / "perplexity.json").read_text(encoding="utf-8")),
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"effect {gaps.mean():+.2f} points (95 %: {lower:+.2f} to {upper:+.2f}) on {len(gaps)} documents, {len(seeds)} seeds each")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True, help="documents without labels")
    parser.add_argument("--data", type=Path, required=True, help="folder with train and test")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the documents without labels")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-pretrain"))
    return parser.parse_args()


def _run(command: str, run: Path, recipe: str) -> None:
    path = run.with_suffix(".yaml")
    path.write_text(recipe, encoding="utf-8")
    if smelt([command, str(path), "--out", str(run)]):
        raise SystemExit(f"{run}: failed")


def _right(run: Path) -> np.ndarray:
    """Which documents of confirm are answered rightly. Kept beside the run."""
    kept = run / "right.npy"
    if not kept.is_file():
        model, confirm = load_model(run / "train" / "model"), open_dataset(run / "data").confirm
        scores = score_texts(LiveSession(model.network, threads=cores()), model.codec, confirm.texts())
        np.save(kept, model.codec.encode_labels(confirm.labels, confirm.ids) == scores.argmax(1))
    return np.load(kept)


if __name__ == "__main__":
    main()
