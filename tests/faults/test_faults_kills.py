"""Training in two processes, killed anywhere, any number of times, ends as one that was left in peace: bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.parallel.test_parallel_resume import losses, sit
from tests.pipeline.test_pipeline_rank import SMALL, rank_of, steps
from tests.pipeline.test_pipeline_whole_run import write_project

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parents[2]
SPREAD = {"replicate": 2}
KILLS = 30
CHECKPOINTS = 2
"""Whole ones before those at whose every operation the leading process dies."""
RECIPE = SMALL.replace("epochs: 2, refit: true,", "epochs: 60, patience: 60, checkpoint_minutes: 0.0001,").replace(
    "dropout: 0.0", "dropout: 0.1"
)


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory):
    work = tmp_path_factory.mktemp("peaceful")
    sit(work, SPREAD, dropout=0.1)
    return losses(work), int((work / "operations").read_text()) // len(losses(work))


def test_a_death_at_every_operation_of_a_checkpoint_changes_nothing(peaceful, tmp_path):
    want, each = peaceful
    assert each >= 5
    for number in range(each + 2):
        work = tmp_path / str(number)
        sit(work, SPREAD, dropout=0.1, kills={"disk": CHECKPOINTS * each + number}, restarts=1)
        assert losses(work) == want, number


def reached(run):
    """The newest step in the log of a training that has not ended, and that of its newest whole checkpoint."""
    logs, checkpoints = run.glob(".work/train-*/log.jsonl"), run.glob(".work/train-*/checkpoints/step-*")
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    logged = max((json.loads(line)["step"] for line in lines), default=0)
    return logged, max((int(path.name.removeprefix("step-")) for path in checkpoints), default=0)


def test_thirty_kills_of_any_process_change_nothing(tmp_path):
    path = write_project(
        tmp_path, RECIPE.replace("dropout: 0.0", "dropout: 0.1") + "parallel: {replicate: 2}\nlaunch: {kind: local, restarts: 99}\n"
    )
    command = [sys.executable, "-m", "smelt", "train", str(path), "--out"]
    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    subprocess.run([*command, str(tmp_path / "peaceful")], check=True, stderr=subprocess.DEVNULL, **quiet)
    run, draw, kills = tmp_path / "run", random.Random(5), []
    errors = (tmp_path / "errors").open("wb")
    process = subprocess.Popen([*command, str(run)], stderr=errors, **quiet)
    try:
        while len(kills) < KILLS and process.poll() is None:
            victim = draw.choice(["launcher", 0, 1])
            while not (number := rank_of(run, 0 if victim == "launcher" else victim)) and process.poll() is None:
                time.sleep(0.02)
            time.sleep(draw.uniform(0.0, 0.3))
            if process.poll() is not None or not rank_of(run, 0):
                continue
            try:
                os.kill(process.pid if victim == "launcher" else number, signal.SIGKILL)
            except ProcessLookupError:  # it fell over the last victim just now
                continue
            kills.append((victim, *reached(run)))
            if victim == "launcher":
                process.wait()
                process = subprocess.Popen([*command, str(run)], stderr=errors, **quiet)
            while rank_of(run, 1) == number or rank_of(run, 0) == number:
                time.sleep(0.02)
        assert process.wait(timeout=300) == 0
    finally:
        process.kill()
        errors.close()
    assert len(kills) == KILLS, f"the training was over after {kills}"
    assert {victim for victim, _, _ in kills} == {"launcher", 0, 1}
    # A checkpoint after every step, one of them being written: what is done again is two steps, and the one that was cut.
    assert max(logged - kept for _, logged, kept in kills) <= 3, kills
    assert steps(run) == steps(tmp_path / "peaceful")
