"""Does a bundle answer on a processor without AVX-512, VNNI or AMX as it does here? Under an emulated one, document by document.

    python benchmarks/portability/run.py --run RUN [--cpu Haswell ...] [--rows 64] [--out FILE]

One bundle of each format in RUN answers the same dev documents here and under `qemu-x86_64 -cpu CPU` (Debian: qemu-user), which knows only
that processor's instructions: a runtime that took others would end with an illegal instruction. Minutes per processor, as emulation is
slow; so no time is measured.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from smelt.data.dataset import open_dataset
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.isa import cpu_name

CPUS = ("Haswell", "Nehalem")
"""With AVX2 but nothing newer; and with SSE 4.2 alone."""
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300


def main() -> None:
    options = _options()
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        raise SystemExit("qemu-x86_64 is not installed (Debian: apt install qemu-user)")
    texts = open_dataset(options.run / "data").dev.texts()[: options.rows]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "texts.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        rows = []
        for bundle in _bundles(options.run):
            for cpu in options.cpu:
                rows.append(_row(emulator, cpu, bundle, path))
                print(_told(rows[-1]), flush=True)
    result = {
        "run": options.run.name,
        "rows": rows,
        "documents": len(texts),
        "machine": cpu_name(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _told(row: dict) -> str:
    said = row["why"] if row["same"] is None else f"{row['same']:.1%} equal answers, scores differ by {row['difference']:.2g}"
    return f"{row['bundle']} on {row['cpu']}: {said}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--cpu", nargs="+", default=list(CPUS))
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _bundles(run: Path) -> list[Path]:
    """Return the smallest bundle of each format in the run."""
    found: dict[str, Path] = {}
    for path in sorted(run.glob("compress/*-*-*/bundle"), key=lambda path: sum(one.stat().st_size for one in path.iterdir()), reverse=True):
        found["-".join(path.parent.name.split("-")[-2:])] = path
    return list(found.values())


def _row(emulator: str, cpu: str, bundle: Path, texts: Path) -> dict:
    here = _answer([sys.executable], bundle, texts)
    there = _answer([emulator, "-cpu", cpu, sys.executable], bundle, texts)
    row = {"bundle": bundle.parent.name, "cpu": cpu, "same": None, "difference": None, "why": ""}
    if isinstance(here, str) or isinstance(there, str):
        return row | {"why": here if isinstance(here, str) else str(there)}
    return row | {"same": float((here.argmax(1) == there.argmax(1)).mean()), "difference": float(np.abs(here - there).max())}


def _answer(python: list[str], bundle: Path, texts: Path) -> np.ndarray | str:
    """Return the scores that another process gives, or why there are none."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [*python, str(Path(__file__).resolve()), "--answer", str(bundle), str(texts)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS // 60} minutes"
    if done.returncode:
        return f"ended with {done.returncode}: {(done.stderr.strip() or '-').splitlines()[-1][:200]}"
    return np.array(json.loads(done.stdout.splitlines()[-1]), np.float32)


def answer(bundle: str, texts: str) -> str:
    opened = open_bundle(Path(bundle), threads=1)
    return json.dumps(score_texts(opened.session, opened.codec, json.loads(Path(texts).read_text(encoding="utf-8"))).tolist())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        sys.stdout.write(answer(*sys.argv[2:]) + "\n")
    else:
        main()
