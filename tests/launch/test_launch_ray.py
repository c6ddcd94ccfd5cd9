"""Training and students on a Ray cluster of this machine, and of three nodes one of which is lost."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smelt.cli.main import main
from smelt.errors import RecipeFaults
from smelt.recipe.load import load
from tests.pipeline.test_pipeline_rank import SMALL, steps
from tests.pipeline.test_pipeline_whole_run import RECIPE, write_project

ROOT = Path(__file__).resolve().parents[2]
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
SECONDS = 240


def smelt(*words, **settings):
    pytest.importorskip("ray", reason="ray is not installed")
    return subprocess.run(
        [sys.executable, "-m", "smelt", *map(str, words)], cwd=ROOT, env=QUIET, capture_output=True, text=True, **settings
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    done = smelt("train", write_project(folder, SMALL), "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.ray
def test_two_processes_of_a_local_cluster_log_what_one_does(alone, tmp_path):
    path = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\nlaunch: {kind: ray}\n")
    done = smelt("train", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "reference: epoch 1" in done.stdout
    assert [loss for _, loss in steps(tmp_path / "run")] == pytest.approx([loss for _, loss in steps(alone)], rel=1e-5)


@pytest.mark.ray
def test_students_are_taught_as_tasks(tmp_path):
    recipe = RECIPE.replace(
        "students: [], formats: [onnxruntime-fp32]", "students: [{kind: static}, {kind: cnn}], workers: 2, search: exhaustive"
    )
    path = write_project(tmp_path, recipe + "launch: {kind: ray}\n")
    done = smelt("compress", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    for name in ("static", "cnn"):
        assert json.loads((tmp_path / "run" / "compress" / name / "training.json").read_text())["dev_score"] > 0.5


@pytest.mark.ray
def test_a_file_is_answered_in_order_as_without(tmp_path):
    path = write_project(tmp_path, RECIPE)
    assert smelt("run", path, "--out", tmp_path / "run").returncode == 0
    rows = [f"{word} {number}" for number in range(1500) for word in ("apple", "iron", "hawk")]
    (tmp_path / "rows.csv").write_text("text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    for name, words in (("here.csv", []), ("there.csv", ["--ray", "local"])):
        done = smelt("predict", tmp_path / "run" / "export" / "bundle", tmp_path / "rows.csv", "-o", tmp_path / name, *words)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "there.csv").read_text() == (tmp_path / "here.csv").read_text()


@pytest.mark.ray
def test_a_fault_that_a_person_has_to_mend_ends_it(tmp_path):
    path = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\nlaunch: {kind: ray, address: '127.0.0.1:1'}\n")
    done = smelt("train", path, "--out", tmp_path / "run", timeout=200)
    assert done.returncode == 5
    assert "no Ray cluster at 127.0.0.1:1" in done.stderr


@pytest.mark.ray
def test_more_processes_than_the_cluster_has_room_for_are_refused(tmp_path):
    path = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\nlaunch: {kind: ray, threads: 500}\n")
    done = smelt("train", path, "--out", tmp_path / "run", timeout=200)
    assert done.returncode == 5
    assert "2 processes of 500 are wanted" in done.stderr


@pytest.mark.ray
def test_training_goes_on_when_a_node_is_lost(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster

    recipe = SMALL.replace("epochs: 2, refit: true,", "epochs: 150, patience: 150, checkpoint_minutes: 0.001,")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
        launch = "{kind: ray, address: '" + cluster.address + "', fewest: 1, restarts: 5, resize_seconds: 5}"
        path, run = write_project(tmp_path, recipe + f"parallel: {{replicate: 3}}\nlaunch: {launch}\n"), tmp_path / "run"
        command = [sys.executable, "-m", "smelt", "train", str(path), "--out", str(run)]
        with subprocess.Popen(command, cwd=ROOT, env=QUIET, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                began = time.monotonic()
                while logged(run) < 40:
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() - began < SECONDS
                    time.sleep(0.1)
                before = logged(run)
                cluster.remove_node(nodes[1], allow_graceful=False)
                lost = time.monotonic()
                for is_reached in (lambda: not pulses(run), lambda: pulses(run) == 2 and logged(run) > before):
                    while not is_reached():
                        assert process.poll() is None, process.communicate()
                        assert time.monotonic() - lost < SECONDS
                        time.sleep(0.1)
                resumed = time.monotonic() - lost
                output, errors = process.communicate(timeout=300)
            finally:
                process.kill()
        assert process.returncode == 0, errors
        assert re.search("train is done", output)
        numbers = [step for step, _ in steps(run)]
        assert numbers == list(range(1, len(numbers) + 1))
        (tmp_path / "seconds-to-resume").write_text(f"{resumed:.0f}")
        sys.stdout.write(f"resumed after {resumed:.0f} s\n")
    finally:
        cluster.shutdown()


def logged(run):
    found = [path.read_text(encoding="utf-8").splitlines() for path in run.glob(".work/train-*/log.jsonl")]
    lines = [line for one in found for line in one if line.endswith("}")]
    return json.loads(lines[-1])["step"] if lines else 0


def pulses(run):
    """Processes that gave a sign of life lately."""
    return sum(time.time() - path.stat().st_mtime < 3 for path in run.glob(".work/train-*/pulses/pulse-*"))


def test_without_the_extra_it_is_said_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    path = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\nlaunch: {kind: ray}\n")
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 5
    assert 'pip install "smelt[ray]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parallel: {shard: 2}\nlaunch: {kind: ray, fewest: 1}", "fewest needs whole copies"),
        ("parallel: {replicate: auto}\nlaunch: {kind: ray}", "Ray has to know how many copies to place"),
        ("parallel: {replicate: 2}\nlaunch: {kind: ray, fewest: 3}", "fewest 3 is more than the 2 processes"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, message):
    with pytest.raises(RecipeFaults) as caught:
        load(write_project(tmp_path, SMALL + text + "\n"))
    assert message in str(caught.value)
