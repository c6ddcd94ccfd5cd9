"""A small decoder from nothing on the characters of a book: what validation loss, in how much time?

    python benchmarks/pretrain/shakespeare.py --data FOLDER [--epochs 8] [--out DIR]

nanoGPT's small size for a CPU: 4 layers, 128 wide, 4 heads, about 0.8 million parameters, rows of 64 tokens, 12 rows per step; its
README gives a validation loss of about 1.88 nats per character. Here a token is a byte, and the text is ASCII, so a token is a
character. `--data` holds train and val with one text each (column text); it is cut into documents of 100,000 characters. About
5 minutes on two cores.
"""

import argparse
import json
from pathlib import Path

import pyarrow.parquet as pq

from smelt.cli.main import main as smelt

RECIPE = """
name: shakespeare
budget_minutes: 20
data: {{kind: files, path: ., splits: {{dev: dev, confirm: dev2}}}}
task: {{kind: causal_language}}
model: {{kind: transformer-scratch, architecture: llama, layers: 4, dim: 128, heads: 4, feed_forward: 352, max_tokens: 64,
         vocabulary: {{method: byte_bpe, size: 260}}}}
train: {{epochs: {epochs}, batch_tokens: 768, optimizer: {{kind: adamw, learning_rate: 1e-3, weight_decay: 0.1}},
         warmup_share: 0.05, patience: 99}}
"""
PIECE = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-shakespeare"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, split in (("train", "train"), ("dev", "val"), ("dev2", "val")):
        text = "".join(pq.read_table(options.data / f"{split}.parquet").column("text").to_pylist())
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        if name == "dev2":  # the same text as one document more, so that confirm is not what dev is
            pieces = [f"{text[: len(text) // 2]}", text[len(text) // 2 :]]
        lines = "".join(json.dumps({"text": piece}) + "\n" for piece in pieces)
        (options.out / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    recipe = options.out / "recipe.yaml"
    recipe.write_text(RECIPE.format(epochs=options.epochs), encoding="utf-8")
    raise SystemExit(smelt(["run", str(recipe), "--out", str(options.out / "run")]))


if __name__ == "__main__":
    main()
