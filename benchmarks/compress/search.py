"""What does the search miss? The certified choice of the search, against the best of all students taught to the end in every format.

    python benchmarks/compress/search.py --data FOLDER [--text COL] [--label COL] [--set a.b=c] [--quick] [--out DIR]

One reference is trained; then `smelt compress --model` has the same students to choose from twice: `search: exhaustive` with time for all,
and the search as it is, with a quarter of the time that exhaustive compression took as its budget. Times are those of the stage
`compress`; certifying comes on top of both. What either certified is timed in turns. Costs the reference's training and an hour and a half;
`--quick` takes five students and about 20 minutes. What stands in the folder is not done again.
"""

import argparse
import json
import platform
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import start

from smelt.runtime.clock import BUNDLES, race
from smelt.runtime.isa import cores, cpu_name
from smelt.types import Timing

STUDENTS = [
    "{kind: static}", "{kind: static, hidden: 128}", "{kind: depth, layers: 1}", "{kind: depth, layers: 2}", "{kind: cnn}",
    "{kind: static, pairs: 20000}", "{kind: cnn, filters: 64}", "{kind: cnn, filters: 320}", "{kind: depth, layers: 3}",
    "{kind: depth, layers: 4}", "{kind: width, layers: 3, cost: 0.6}", "{kind: rnn}",
]  # fmt: skip
QUICK = 5
MINUTES, QUICK_MINUTES = 60, 7
"""Budget of the exhaustive search: enough for all students to be taught until they learn no more, or nearly."""
SHARE = 0.25
ROUNDS = 5
BASE = ["compress.cascade=none", "compress.finalist_seeds=0", "compress.minimize=latency"]


def main() -> None:
    options = start.options(__doc__.splitlines()[0], name="search", quick="five students, seven minutes for all")
    start.train(options)
    count = QUICK if options.quick else len(STUDENTS)
    space = f"compress.students=[{', '.join(STUDENTS[:count])}]"
    minutes = QUICK_MINUTES if options.quick else MINUTES
    every, seconds = _search(options, "exhaustive", [space, "compress.search=exhaustive", f"budget_minutes={minutes}"])
    found, spent = _search(options, "search", [space, f"budget_minutes={SHARE * seconds / 60:.2f}"])
    result = {
        "data": str(options.data), "quick": options.quick, "students": count,
        "exhaustive": _facts(every, seconds), "search": _facts(found, spent), "share_of_time": spent / seconds,
        "timings": {name: asdict(timing) for name, timing in _race({"exhaustive": every, "search": found}, options.out).items()},
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (options.out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def _search(options: argparse.Namespace, name: str, changes: list[str]) -> tuple[Path, float]:
    """Compress the trained reference; return the run's folder and the seconds that the stage took."""
    run, model = options.out / name, options.out / "start" / "train" / "model"
    if not (run / "verify" / "verdict.json").is_file():
        shutil.rmtree(run, ignore_errors=True)
        settings = start.flags([*options.settings, *BASE, *changes])
        start.call("compress", "--model", str(model), "--data", str(options.data), *start.columns(options), "--out", str(run), *settings)
    stages = json.loads((run / "run.json").read_text(encoding="utf-8"))["stages"]
    return run, stages["compress"]["seconds"]


def _facts(run: Path, seconds: float) -> dict:
    verdict = json.loads((run / "verify" / "verdict.json").read_text(encoding="utf-8"))
    candidates = json.loads((run / "frontier.json").read_text(encoding="utf-8"))["candidates"]
    tried = sum(candidate["dev_score"] is not None and candidate["latency_ms_p50"] is not None for candidate in candidates)
    keys = ("certified", "candidate", "reference_score", "candidate_score", "upper_points")
    return {"seconds": seconds, "tried": tried, **{key: verdict.get(key) for key in keys}}


def _race(runs: dict[str, Path], out: Path) -> dict[str, Timing]:
    """Time what each run shipped, in turns."""
    shipped = {name: (run / "export" / "bundle", BUNDLES) for name, run in runs.items() if (run / "export" / "bundle").is_dir()}
    return race(shipped, next(iter(runs.values())) / "compress" / "workload.json", out, ROUNDS)


if __name__ == "__main__":
    main()
