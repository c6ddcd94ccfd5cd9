"""What does the search miss? The certified choice of the search, against the best of all students taught to the end in every format.

    python benchmarks/search/run.py --data FOLDER [--text COL] [--label COL] [--set a.b=c] [--quick] [--out DIR]

One reference is trained; then `smelt compress --model` has the same students to choose from twice: `search: exhaustive` with time for all,
and the search as it is, with a budget of a quarter of what the exhaustive one took. What either certified is timed in turns. Costs the
reference's training and some five minutes per student; `--quick` takes six students and two epochs, about 20 minutes.
"""

import argparse
import json
import platform
import shutil
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from smelt.cli.main import main as smelt
from smelt.runtime.bench import combine
from smelt.runtime.clock import BUNDLES, read_workload, time_elsewhere
from smelt.runtime.isa import cores, cpu_name
from smelt.types import Timing

STUDENTS = [
    "{kind: static}", "{kind: static, hidden: 128}", "{kind: depth, layers: 1}", "{kind: depth, layers: 2}", "{kind: cnn}",
    "{kind: static, pairs: 20000}", "{kind: cnn, filters: 64}", "{kind: cnn, filters: 320}", "{kind: depth, layers: 3}",
    "{kind: depth, layers: 4}", "{kind: width, layers: 3, cost: 0.6}", "{kind: rnn}",
]  # fmt: skip
QUICK = 6
SHARE = 0.25
ROUNDS = 5
BASE = ["compress.cascade=none", "compress.finalist_seeds=0", "compress.minimize=latency"]


def main() -> int:
    options = _options()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    recipe, start = out / "recipe.yaml", out / "start"
    if not recipe.exists() and (code := smelt(["init", str(out), "--data", str(options.data), *_columns(options)])):
        return code
    if code := smelt(["train", str(recipe), "--out", str(start), *_set(options.settings)]):
        return code
    count = QUICK if options.quick else len(STUDENTS)
    students = [f"{student[:-1]}, epochs: 2}}" if options.quick else student for student in STUDENTS[:count]]
    space = f"compress.students=[{', '.join(students)}]"
    every, seconds = _search(options, "exhaustive", [space, "compress.search=exhaustive", "budget_minutes=600"])
    found, spent = _search(options, "search", [space, f"budget_minutes={SHARE * seconds / 60:.2f}"])
    result = {
        "data": str(options.data), "quick": options.quick, "students": count,
        "exhaustive": _facts(every, seconds), "search": _facts(found, spent), "share_of_time": spent / seconds,
        "timings": {name: asdict(timing) for name, timing in _race({"exhaustive": every, "search": found}, out).items()},
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file or folder, as for smelt init")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="a.b=c")
    parser.add_argument("--quick", action="store_true", help="six students, two epochs each")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.out = options.out or Path("runs") / "search" / options.data.stem
    return options


def _columns(options: argparse.Namespace) -> list[str]:
    return [word for name in ("text", "label") if getattr(options, name) for word in (f"--{name}", getattr(options, name))]


def _set(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def _search(options: argparse.Namespace, name: str, changes: list[str]) -> tuple[Path, float]:
    """Compress the trained reference; return the run's folder and the seconds that it took."""
    run, columns = options.out / name, _columns(options)
    shutil.rmtree(run, ignore_errors=True)
    began = time.monotonic()
    model = ["--model", str(options.out / "start" / "train" / "model"), "--data", str(options.data), *columns]
    code = smelt(["compress", *model, "--out", str(run), *_set([*options.settings, *BASE, *changes])])
    if code not in (0, 3):
        sys.exit(code)
    return run, time.monotonic() - began


def _facts(run: Path, seconds: float) -> dict:
    verdict = json.loads((run / "verify" / "verdict.json").read_text(encoding="utf-8"))
    candidates = json.loads((run / "frontier.json").read_text(encoding="utf-8"))["candidates"]
    tried = sum(candidate["dev_score"] is not None and candidate["latency_ms_p50"] is not None for candidate in candidates)
    keys = ("certified", "candidate", "reference_score", "candidate_score", "upper_points")
    return {"seconds": seconds, "tried": tried, **{key: verdict.get(key) for key in keys}}


def _race(runs: dict[str, Path], out: Path) -> dict[str, Timing]:
    """Time what each run shipped, in turns."""
    shipped = {name: run / "export" / "bundle" for name, run in runs.items() if (run / "export" / "bundle").is_dir()}
    load = out / "workload.json"
    first = next(iter(runs.values()))
    load.write_text(json.dumps(asdict(replace(read_workload(first / "compress" / "workload.json"), rounds=1))), encoding="utf-8")
    laps: dict[str, list[Timing]] = {name: [] for name in shipped}
    for _ in range(ROUNDS):
        for name, folder in shipped.items():
            laps[name].append(time_elsewhere(folder, load, BUNDLES))
    return {name: combine(times) for name, times in laps.items()}


if __name__ == "__main__":
    sys.exit(main())
