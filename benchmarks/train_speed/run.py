"""How fast is fine-tuning, beside Hugging Face's Trainer? The same encoder, examples, steps, rate and frozen embeddings; in turns.

    python benchmarks/train_speed/run.py --data FOLDER [--text COL] [--label COL] [--max-tokens N] [--rows N] [--quick] [--out DIR]

Ways: smelt as it trains by default; the Trainer with its defaults; the Trainer tuned (bf16, batches of similar length, fused AdamW). Each
round is a process of its own, all cores; its time is from texts to trained weights, tokenization and whatever a way measures or sets up
included, loading of the weights left out. Accuracy on held-out rows of train comes after. Needs `pip install --no-deps accelerate`. Costs
about 20 minutes for 3,200 rows of up to 128 tokens; `--quick` a third.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.models.build import Model, build_model
from smelt.models.folder import MINILM, find_weights
from smelt.models.session import LiveSession
from smelt.models.transformer import from_folder
from smelt.recipe.model import PretrainedTransformer
from smelt.recipe.train import AdamW, Train
from smelt.runtime.bundle import score_texts
from smelt.runtime.isa import cores, cpu_name
from smelt.train.evaluate import judge_classes
from smelt.train.fit import cross_entropy
from smelt.train.rows import encode_rows
from smelt.train.session import Job, train

WAYS = ("smelt", "trainer-default", "trainer-tuned")
BATCH, RATE, HELD_OUT = 32, 2e-4, 1000


def main() -> None:
    options = _options()
    if options.way:
        print(json.dumps(_measured(options)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for lap in range(1 if options.quick else options.rounds):
        for way in WAYS:
            done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--way", way], check=True, stdout=subprocess.PIPE, text=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {lap + 1}, {way}: {found[way][-1]['seconds']:.1f} s, {found[way][-1]['score']:.2%}", flush=True)
    seconds = {way: statistics.median(one["seconds"] for one in laps) for way, laps in found.items()}
    result = {
        "data": options.data.name, "rows": options.rows, "epochs": options.epochs, "batch": BATCH, "max_tokens": options.max_tokens,
        "rounds": found, "median_seconds": seconds, "times_default": seconds["trainer-default"] / seconds["smelt"],
        "times_tuned": seconds["trainer-tuned"] / seconds["smelt"],
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate")},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (options.out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("median_seconds", "times_default", "times_tuned")}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a table named train")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--rows", type=int, default=3200)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-train-speed"))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measured(options: argparse.Namespace) -> dict:
    torch.set_num_threads(cores())
    records = [record.values for record in open_table(split_files(options.data)["train"]).records((options.text, options.label))]
    order = np.random.default_rng(0).permutation(len(records))
    texts, names = [str(records[row][0]) for row in order], [str(records[row][1]) for row in order]
    labels = sorted(set(names))
    held, own = slice(0, HELD_OUT), slice(HELD_OUT, HELD_OUT + options.rows)
    model = build_model(PretrainedTransformer(max_tokens=options.max_tokens), labels, (), 0)
    way = _smelt if options.way == "smelt" else _trainer
    started = time.perf_counter()
    way(options, model, texts[own], [labels.index(name) for name in names[own]])
    seconds = time.perf_counter() - started
    scores = score_texts(LiveSession(model.network, threads=cores()), model.codec, texts[held])
    right = [labels[best] == name for best, name in zip(scores.argmax(1), names[held], strict=True)]
    return {"seconds": seconds, "score": float(np.mean(right))}


def _smelt(options: argparse.Namespace, model: Model, texts: list[str], labels: list[int]) -> None:
    from smelt.run.disk import Disk

    section = Train(batch_examples=BATCH, batch_tokens=BATCH * options.max_tokens, optimizer=AdamW(learning_rate=RATE))
    with tempfile.TemporaryDirectory() as folder:
        rows = encode_rows(lambda span: texts[span], np.array(labels), model.codec.encode, Path(folder) / "train.ids")
        few = rows.part(range(BATCH))  # the Trainer judges nothing either
        job = Job(
            name="benchmark", network=model.network, rows=rows, judge=judge_classes(few, model.codec.labels, section), section=section,
            loss=cross_entropy(0.0), auto_rate=RATE, seconds=3600.0, epochs=options.epochs, most_epochs=options.epochs, selects=False,
            watch=lambda _step, _facts: None,
        )  # fmt: skip
        train(job, Path(folder) / "work", Disk())


def _trainer(options: argparse.Namespace, model: Model, texts: list[str], labels: list[int]) -> None:
    from transformers import DataCollatorWithPadding, PreTrainedTokenizerFast, Trainer, TrainingArguments

    source = find_weights(MINILM, "main")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    network = model.network.hugging_face
    if options.way == "trainer-default":  # as its own configuration has it
        fresh = from_folder(source, classes=len(model.codec.labels)).hugging_face
        fresh.config.attention_probs_dropout_prob = 0.1
        for layer in fresh.bert.encoder.layer:
            layer.attention.self.dropout.p = 0.1
        network = fresh
    network.get_input_embeddings().weight.requires_grad = False
    found = tokenizer(texts, truncation=True, max_length=options.max_tokens)["input_ids"]
    examples = [{"input_ids": ids, "labels": label, "length": len(ids)} for ids, label in zip(found, labels, strict=True)]
    tuned = {"bf16": True, "train_sampling_strategy": "group_by_length", "length_column_name": "length", "optim": "adamw_torch_fused"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=options.epochs, learning_rate=RATE, warmup_steps=0.1,
            use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no",
            **(tuned if options.way == "trainer-tuned" else {}),
        )  # fmt: skip
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(
            model=network, args=arguments, train_dataset=examples,
            data_collator=lambda rows: collator([{key: row[key] for key in ("input_ids", "labels")} for row in rows]),
        ).train()  # fmt: skip
    model.network.hugging_face = network


if __name__ == "__main__":
    main()
