"""How fast is text prepared for a language model, and in how much memory? Rows in, memory-mapped and packed tokens out.

    python benchmarks/pretrain/prepare.py --text FOLDER [--tokens 5000000 50000000] [--out DIR]

Documents of `--text` (a folder with one table, column text) are repeated, each with a number before it so that none is a repeat,
until there are so many tokens; then the stage `data` of smelt reads, checks and splits them, and they are tokenized by MiniLM's
tokenizer, all cores, and packed into rows of 256. Each size is a process of its own; its peak memory is the kernel's figure. About
5 minutes for 50 million on two cores.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.data.build import prepare
from smelt.data.files import split_files
from smelt.models.build_language import build_language
from smelt.recipe.data import FilesData, without_labels
from smelt.recipe.model import PretrainedTransformer
from smelt.recipe.task import MaskedLanguageTask
from smelt.run.disk import Disk
from smelt.runtime.isa import cores, cpu_name
from smelt.train.documents import encode_documents
from smelt.train.language import open_rows

CHARACTERS_PER_TOKEN = 4.4
MAX_TOKENS = 256


def main() -> None:
    options = _options()
    if options.one:
        print(json.dumps(_measured(options.out, options.one)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = []
    for tokens in options.tokens:
        _write(options.text, options.out / f"{tokens}.parquet", tokens)
        command = [sys.executable, __file__, "--text", str(options.text), "--out", str(options.out), "--one", str(tokens)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        sizes.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(sizes[-1]), flush=True)
    result = {
        "sizes": sizes, "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (options.out / "prepare.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--tokens", type=int, nargs="+", default=[5_000_000, 50_000_000])
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-prepare"))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _write(source: Path, target: Path, tokens: int) -> None:
    """Write about so many tokens of text, in groups of rows."""
    texts = pq.read_table(next(iter(split_files(source).values()))).column("text").to_pylist()
    wanted, number = tokens * CHARACTERS_PER_TOKEN, 0
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(target, schema) as sink:
        while wanted > 0:
            chunk = [f"{number + place}: {text}" for place, text in enumerate(texts)]
            kept = 0
            while kept < len(chunk) and wanted > 0:
                wanted -= len(chunk[kept])
                kept += 1
            sink.write_table(pa.table({"text": chunk[:kept]}, schema=schema), row_group_size=1000)
            number += len(texts)


def _measured(out: Path, tokens: int) -> dict:
    place = out / str(tokens)
    model = build_language(PretrainedTransformer(max_tokens=MAX_TOKENS), MaskedLanguageTask(kind="masked_language"), (), 0)
    section = without_labels(FilesData(path=str(out / f"{tokens}.parquet"), splits={"dev": 0.001, "confirm": 0.001}))  # pyright: ignore[reportArgumentType]
    before, ticks = _peak(), [time.perf_counter()]
    train = prepare(section, place / "data", place / "work", Disk()).train
    ticks.append(time.perf_counter())
    encode_documents(train.texts, len(train), model.codec.encode, place / "train.tokens")
    ticks.append(time.perf_counter())
    rows = open_rows(place / "train.tokens", "best_fit", MAX_TOKENS, model.cover)
    lengths = rows.lengths
    ticks.append(time.perf_counter())
    count = int(lengths.sum())
    return {
        "tokens": count, "documents": len(train), "rows": len(rows), "full": count / (len(rows) * MAX_TOKENS),
        "read_seconds": ticks[1] - ticks[0], "tokenize_seconds": ticks[2] - ticks[1], "pack_seconds": ticks[3] - ticks[2],
        "tokens_per_s": count / (ticks[3] - ticks[0]), "peak_mib": _peak() / 1024, "of_which_before_mib": before / 1024,
    }  # fmt: skip


def _peak() -> int:
    """Most memory so far, in KiB; what is mapped from files counts while it is in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
