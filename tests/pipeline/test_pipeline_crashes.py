"""A run that dies anywhere goes on to the result that an undisturbed one has."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smelt.pipeline.run import run_stages
from smelt.recipe.load import load
from smelt.run.disk import Disk, sha256_file
from smelt.run.folder import RunFolder
from smelt.types import Timing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

RECIPE = """
name: tiny
data: {kind: files, path: rows.csv, splits: {dev: 0.2, confirm: 0.5}}
task: {kind: classify}
model: {kind: static, dim: 8, hidden: 8, max_tokens: 16, vocabulary: {size: 200}}
train: {epochs: 3, precision: fp32, threads: 1, batch_examples: 8, checkpoint_minutes: 1.0e-9}
compress: {students: [], formats: [numpy-fp32]}
verify: {margin_points: 3.0, bench_rounds: 1}
"""
RESULTS = (
    "train/model/model.safetensors",
    "train/dev.safetensors",
    "predictions/reference.jsonl",
    "predictions/reference-numpy-fp32.jsonl",
)
KILLS = 30


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


class DyingDisk(Disk):
    """Dies before the n-th operation, or in the middle of it where it is a write."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def _tick(self) -> None:
        self.count += 1
        if self.count == self.last:
            raise Crash

    def write(self, path: Path, data: bytes) -> None:
        if self.count + 1 == self.last:
            path.write_bytes(data[: len(data) // 2])
        self._tick()
        super().write(path, data)

    def sync(self, path: Path) -> None:
        self._tick()
        super().sync(path)

    def rename(self, source: Path, target: Path) -> None:
        self._tick()
        super().rename(source, target)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crashes")
    draw = random.Random(0)
    words = {"fruit": ["apple", "pear", "plum", "grape"], "metal": ["iron", "zinc", "tin", "lead"]}
    rows = [f"{' '.join(draw.choices(words[label], k=5))} {number},{label}" for number in range(200) for label in words]
    (folder / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def clock(folder: Path, _workload: Path, _module: str) -> Timing:
    """A clock that always shows the same, so that an attempt takes a second: the bundle is faster than the live module."""
    pace = 1.0 if folder.name == "bundle" else 10.0
    return Timing(
        latency_ms_p50=pace,
        latency_ms_p99=pace,
        examples_per_s=1000 / pace,
        spread=0.0,
        batch=32,
        threads=1,
        latency_threads=1,
        peak_rss_bytes=1,
    )


def attempt(project: Path, out: Path, disk: Disk) -> None:
    path = project / "recipe.yaml"
    run_stages(path, load(path), RunFolder(out, disk), clock=clock)


def results(out: Path) -> dict[str, object]:
    verdict = json.loads((out / "verify" / "verdict.json").read_text(encoding="utf-8"))
    return {name: sha256_file(out / name) for name in RESULTS} | {"verdict": verdict}


@pytest.fixture(scope="module")
def undisturbed(project: Path) -> dict[str, object]:
    attempt(project, project / "undisturbed", Disk())
    return results(project / "undisturbed")


def test_a_crash_before_every_write_fsync_and_rename_is_survived(
    project: Path, undisturbed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "0"))
    count = DyingDisk(0)
    attempt(project, project / "counted", count)
    assert count.count > 100
    for last in range(1, count.count + 1):
        out = project / f"crash-{last}"
        # A confirm ledger of its own, as a first run has: opening the same answers again would write nothing.
        monkeypatch.setenv("SMELT_STATE", str(tmp_path / str(last)))
        with pytest.raises(Crash):
            attempt(project, out, DyingDisk(last))
        attempt(project, out, Disk())
        assert results(out) == undisturbed, f"operation {last} of {count.count}"
        shutil.rmtree(out)


def test_thirty_kills_are_survived(project: Path, undisturbed: dict[str, object]):
    out, draw = project / "killed", random.Random(1)
    command = [sys.executable, "-m", "smelt", "run", str(project / "recipe.yaml"), "--out", str(out)]
    for _ in range(KILLS):
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        time.sleep(draw.uniform(0.5, 12.0))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    # Only this test measures real time; the certificate does not depend on it.
    assert results(out) == undisturbed
