"""Run folders as the pipeline leaves them, with made-up numbers and real verdicts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from smelt.run.disk import Disk
from smelt.types import Candidate, Prediction, Verdict
from smelt.verify.compare import Context, compare
from smelt.verify.predictions import read, write

MakeRun = Callable[..., Path]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a made-up run is like."""

    labels: Sequence[str]
    rows: int
    lost: int
    won: int
    candidates: int = 9
    log: bool = True
    scores: bool = True
    notes: Sequence[str] = ()


@pytest.fixture(autouse=True)
def _in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMELT_LANG", "en")


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(folder: str = "run", **facts: object) -> Path:
        shape = Shape(**({"labels": ("ham", "spam"), "rows": 1300, "lost": 5, "won": 4} | facts))
        run = tmp_path / folder
        fill_run(run, shape)
        return run

    return make


def fill_run(run: Path, shape: Shape) -> None:
    """Write a whole run folder."""
    for place in ("data", "train", "verify", "predictions", "compress/static", "compress/depth-3"):
        (run / place).mkdir(parents=True, exist_ok=True)
    names = _candidate_names(shape.candidates)
    tests = [_verdict(run, shape, name, bold) for bold, name in enumerate(names[1:3])]
    reached = tests[:1] if not tests[0].certified else tests
    verdict = next((one for one in reversed(reached) if one.certified), reached[0])
    _dump(run / "verify/tests.json", [asdict(one) for one in reached])
    _dump(run / "verify/verdict.json", asdict(verdict))
    _dump(run / "verify/details.json", _details(verdict))
    _dump(run / "frontier.json", {"candidates": [asdict(one) for one in _candidates(names, reached, verdict)]})
    _dump(run / "data/data.json", _data(shape))
    _dump(run / "run.json", _facts(run))
    if shape.log:
        _write_log(run / "train/log.jsonl", 600, 3, 0.9312)
        _write_log(run / "compress/static/log.jsonl", 900, 8, 0.893)
        _write_log(run / "compress/depth-3/log.jsonl", 500, 4, 0.924)


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _verdict(run: Path, shape: Shape, name: str, bold: int) -> Verdict:
    """Answer confirm by a reference that is right in 93 % and a candidate that loses and wins as told; `bold` ones lose more."""
    rng, classes = np.random.default_rng(7), len(shape.labels)
    truth = np.minimum(rng.geometric(1.4 / classes, shape.rows) - 1, classes - 1)
    wrong = (truth + 1 + np.minimum(rng.geometric(0.5, shape.rows) - 1, max(classes - 2, 0))) % classes
    ours = np.where(rng.random(shape.rows) < 0.07, wrong, truth)
    theirs = ours.copy()
    right, failed = rng.permutation(np.flatnonzero(ours == truth)), rng.permutation(np.flatnonzero(ours != truth))
    theirs[right[: shape.lost * (1 + 3 * bold)]] = wrong[right[: shape.lost * (1 + 3 * bold)]]
    theirs[failed[: shape.won]] = truth[failed[: shape.won]]
    for file, answers, sure in (("reference", ours, 9.0), (name, theirs, 4.0)):
        scores = _scores(rng, answers, classes, sure).tolist() if shape.scores else [None] * shape.rows
        rows = [
            Prediction(id=f"c{row:05d}", label=shape.labels[truth[row]], prediction=shape.labels[answers[row]], scores=scores[row])
            for row in range(shape.rows)
        ]
        write(run / "predictions" / f"{file}.jsonl", rows, Disk())
    said = Context(candidate=name, floor_score=0.842, floor_dev=0.846, reference_dev=0.9312, isa="x86_64 avx2 fma avx512f avx512_vnni")
    pair = [read(run / "predictions" / f"{file}.jsonl") for file in ("reference", name)]
    return compare(pair[0], pair[1], margin_points=1.0, confidence=0.95, context=said)


def _scores(rng: np.random.Generator, answers: np.ndarray, classes: int, sure: float) -> np.ndarray:
    """Return probabilities whose largest is the answer's."""
    top = 1 / classes + (1 - 1 / classes) * rng.beta(sure, 1.0, len(answers))
    scores = np.repeat((1 - top)[:, None] / max(classes - 1, 1), classes, axis=1)
    scores[np.arange(len(answers)), answers] = top
    return scores


def _candidate_names(count: int) -> list[str]:
    students = ("reference", "depth-3", "static", "cnn", "rnn")
    forms = ("openvino-int8", "openvino-bf16", "onnxruntime-int8", "onnxruntime-fp32")
    grid = [f"{student}-{form}" for form in forms for student in students if not (student == "static" and form != "onnxruntime-fp32")]
    return [*grid, "static-numpy-fp32"][:count]


def _candidates(names: Sequence[str], tests: Sequence[Verdict], verdict: Verdict) -> list[Candidate]:
    rng = np.random.default_rng(5)
    found = [
        Candidate(
            name="reference", steps=[], runtime="torch", precision="fp32", dev_score=0.9312, agreement=1.0, latency_ms_p50=41.7,
            latency_ms_p99=63.2, examples_per_s=48.1, spread=0.04, batch=32, threads=2, size_bytes=438_200_000,
            peak_rss_bytes=1_300_000_000, why="the model to match",
        ),
        Candidate(
            name="floor", steps=["TF-IDF and a linear classifier"], runtime="numpy", precision="fp32", dev_score=0.846,
            why="the floor: what a model has to beat",
        ),
    ]  # fmt: skip
    for name in names:
        found.append(_candidate(name, rng, {test.candidate: test.certified for test in tests}.get(name), verdict))
    failed = Candidate(name="rnn-openvino-int8x", steps=["rnn: gru 128"], runtime="openvino", precision="int8", why="could not be exported")
    return [*found, failed]


def _candidate(name: str, rng: np.random.Generator, certified: bool | None, verdict: Verdict) -> Candidate:  # noqa: FBT001
    student, _, form = name.partition("-") if not name.startswith("depth") else ("depth-3", "", name.removeprefix("depth-3-"))
    runtime, _, precision = form.partition("-")
    cost = {"reference": 1.0, "depth-3": 0.27, "static": 0.004, "cnn": 0.03, "rnn": 0.06}[student]
    cost *= {"int8": 0.32, "bf16": 0.6, "fp32": 0.85}[precision] * rng.uniform(0.9, 1.1)
    score = {"reference": 0.9305, "depth-3": 0.924, "static": 0.893, "cnn": 0.899, "rnn": 0.907}[student] + rng.uniform(-0.003, 0.001)
    chosen = verdict.certified and verdict.candidate == name
    why = "chosen: the cheapest certified candidate" if chosen else "not tested on confirm: 97.4% agreement on dev promised less"
    if certified is not None and not chosen:
        why = "certified, and costlier than the choice" if certified else "failed on confirm: the drop may be as large as 2.06 points"
    size = 438_200_000 * {"reference": 1, "depth-3": 0.6, "static": 0.11, "cnn": 0.14, "rnn": 0.16}[student]
    return Candidate(
        name=name,
        steps=[] if student == "reference" else [f"{student}: of the reference", "distill"],
        runtime=runtime, precision=precision,
        dev_score=round(score, 4), agreement=round(score + 0.06, 4), latency_ms_p50=41.7 * cost, latency_ms_p99=70 * cost,
        examples_per_s=48.1 / cost, spread=0.05, batch=32, threads=2, size_bytes=int(size * (0.28 if precision == "int8" else 1)),
        peak_rss_bytes=700_000_000, certified=certified, chosen=chosen, why=why,
    )  # fmt: skip


def _details(verdict: Verdict) -> dict[str, object]:
    opening = {"data_sha256": verdict.data_sha256, "predictions_sha256": "b" * 64, "run": "mytask", "time": "2026-01-07T09:12:44+00:00"}
    return {
        "openings": [opening, opening | {"run": "mytask-2", "time": "2026-01-09T17:40:02+00:00"}],
        "dev": {"n": 1210, "reference_score": 0.9312, "floor_score": 0.846},
        "calibration_error": {"reference": 0.021},
    }


def _data(shape: Shape) -> dict[str, object]:
    counts = {label: 9000 // (place + 2) for place, label in enumerate(shape.labels)}
    return {
        "splits": {
            name: {"rows": rows, "sha256": name[0] * 64} for name, rows in (("train", 9_870), ("dev", 1_210), ("confirm", shape.rows))
        },
        "labels": counts,
        "duplicates_dropped": {"train": 17, "dev": 3, "inside_train": 41},
        "conflicting_labels": 6,
        "bad_rows": 2,
        "characters": {"p5": 21, "p50": 58, "p95": 164, "p99": 240, "max": 433},
        "cjk_share": 0.0,
        "warnings": list(shape.notes),
    }


def _facts(run: Path) -> dict[str, object]:
    files = sorted(path.relative_to(run).as_posix() for path in run.rglob("*.json*"))
    return {
        "name": "mytask",
        "recipe": {"name": "mytask"},
        "recipe_text": "name: mytask\ndata:\n  kind: files\n  path: reviews.csv\ntask:\n  kind: classify\n",
        "command": "smelt run mytask/recipe.yaml",
        "started": "2026-01-09T16:58:31+00:00",
        "versions": {
            "python": "3.11.4",
            "smelt": "0.1.0",
            "torch": "2.9.1",
            "transformers": "5.3.0",
            "openvino": "2025.4.0",
            "onnxruntime": "1.23.2",
        },
        "machine": {
            "cpu": "Intel(R) Xeon(R) Processor",
            "cores": 2,
            "isa": ["x86_64", "avx2", "fma", "avx512f"],
            "memory_bytes": 8_212_000_000,
        },
        "stages": {
            name: {"state": "done", "seconds": 3.7 * 5**place} for place, name in enumerate(("data", "verify", "compress", "train"))
        },
        "hashes": {name: f"{place:064x}" for place, name in enumerate(files)},
    }


def _write_log(path: Path, steps: int, epochs: int, score: float) -> None:
    rng, lines = np.random.default_rng(3), []
    for step in range(1, steps + 1):
        loss = 0.12 + 1.9 * np.exp(-5 * step / steps) + rng.normal(0, 0.08)
        lines.append(
            {
                "event": "step",
                "step": step,
                "epoch": 0,
                "loss": float(max(loss, 0.01)),
                "learning_rate": 1e-4,
                "tokens": 900,
                "seconds": step,
            }
        )
        if step % (steps // epochs) == 0:
            done = step // (steps // epochs)
            seen = score - 0.06 * np.exp(-1.3 * done)
            lines.append(
                {
                    "event": "epoch",
                    "step": step,
                    "epoch": done - 1,
                    "train_loss": 0.3,
                    "dev_score": seen,
                    "dev_low": seen - 0.014,
                    "dev_high": seen + 0.012,
                }
            )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
