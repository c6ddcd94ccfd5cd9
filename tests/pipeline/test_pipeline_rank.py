"""A whole recipe whose reference is trained by several processes: started by smelt, and by torchrun."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import smelt
from smelt.cli.main import main
from smelt.errors import RecipeFaults, UsageFault
from smelt.models.build import load_model
from smelt.models.session import LiveSession
from smelt.recipe.load import load
from tests.pipeline.test_pipeline_whole_run import RECIPE, write_project

ROOT = Path(__file__).resolve().parents[2]
SMALL = RECIPE.replace(
    "{kind: cnn, dim: 16, filters: 8, kernels: [1, 2], dropout: 0.0, max_tokens: 16, vocabulary: {size: 200}}",
    "{kind: transformer-scratch, layers: 2, dim: 16, heads: 2, feed_forward: 16, dropout: 0.0, max_tokens: 16, vocabulary: {size: 200}}",
).replace("epochs: 10,", "epochs: 2, refit: true,")


def steps(run):
    """Step, loss of every step of the log."""
    lines = map(json.loads, (run / "train" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return [(line["step"], line["loss"]) for line in lines if line["event"] == "step"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    assert main(["train", str(write_project(folder, SMALL)), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    "spread",
    [
        "{replicate: 2}",
        pytest.param("{shard: 2}", marks=pytest.mark.distributed),
        pytest.param("{tensor: 2}", marks=pytest.mark.distributed),
        pytest.param("{pipeline: 2}", marks=pytest.mark.distributed),
    ],
)
def test_two_processes_log_what_one_does_and_leave_the_same_weights(alone, spread, tmp_path):
    path = write_project(tmp_path, SMALL + f"parallel: {spread}\n")
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 0
    assert [step for step, _ in steps(tmp_path / "run")] == [step for step, _ in steps(alone)]
    assert [loss for _, loss in steps(tmp_path / "run")] == pytest.approx([loss for _, loss in steps(alone)], rel=1e-5)
    texts = ["apple plum 1", "iron zinc lead 2", "hawk wren 3"]
    scores = []
    for run in (alone, tmp_path / "run"):
        model = load_model(run / "train" / "model")
        rows = model.codec.encode(texts)
        scores.append(LiveSession(model.network, threads=1).scores(rows))
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_the_rest_of_the_run_does_not_know_of_it_and_a_second_one_does_nothing_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    path = write_project(tmp_path, RECIPE + "parallel: {replicate: 2, microbatches: 2}\n")
    first = smelt.run(path, tmp_path / "run")
    assert first.verdict
    assert first.verdict.certified
    before = (tmp_path / "run" / "train" / "manifest.json").stat().st_mtime_ns
    # One process goes on with what two have made.
    assert smelt.run(path, tmp_path / "run", overrides=["parallel.replicate=1"]).verdict == first.verdict
    assert (tmp_path / "run" / "train" / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.distributed
def test_torchrun_starts_the_processes_and_the_first_does_the_job(alone, tmp_path):
    path = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\nlaunch: {kind: torchrun}\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "smelt", "train", str(path)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run")], env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("train is done") == 1
    assert [loss for _, loss in steps(tmp_path / "run")] == pytest.approx([loss for _, loss in steps(alone)], rel=1e-5)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def children(number):
    return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii").split()]


def rank_of(run, rank):
    """The number of the process that has this rank in a run's training, whoever started it; 0 where it has not begun to learn."""
    if not any(int(pulse.read_text() or "0") > 20 for pulse in run.glob(f".work/train-*/pulses/pulse-{rank}")):
        return 0
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words, environment = (place / "cmdline").read_bytes().split(b"\0"), (place / "environ").read_bytes().split(b"\0")
            if str(run).encode() in words and f"RANK={rank}".encode() in environment:
                return int(place.name)
    return 0


@pytest.mark.distributed
def test_one_that_stalls_is_named_within_the_timeout(tmp_path):
    recipe = SMALL.replace("epochs: 2, refit: true,", "epochs: 300, patience: 300,")
    recipe += "parallel: {replicate: 2}\nlaunch: {kind: local, timeout_seconds: 6, restarts: 0}\n"
    path, run = write_project(tmp_path, recipe), tmp_path / "run"
    command = [sys.executable, "-m", "smelt", "train", str(path), "--out", str(run)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            while not (stalled := rank_of(run, 1)):
                assert process.poll() is None
                time.sleep(0.05)
            os.kill(stalled, signal.SIGSTOP)
            errors = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 5
    assert "RuntimeError: process 1 gives no sign of life since step" in errors
    assert "the same command goes on from the last checkpoint" in errors


@pytest.mark.distributed
def test_torchrun_starts_all_again_when_one_is_killed(tmp_path):
    recipe = SMALL.replace("epochs: 2, refit: true,", "epochs: 40, patience: 40, checkpoint_minutes: 0.0001,")
    path, run = write_project(tmp_path, recipe + "parallel: {replicate: 2}\nlaunch: {kind: torchrun}\n"), tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "2"]
    command += ["-m", "smelt", "train", str(path), "--out", str(run)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            while not (killed := rank_of(run, 1)):
                assert process.poll() is None
                time.sleep(0.05)
            os.kill(killed, signal.SIGKILL)
            errors = process.communicate(timeout=150)[1]
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "reference: resumes after step" in errors
    numbers = [step for step, _ in steps(run)]
    assert numbers == list(range(1, len(numbers) + 1))


def agent_command(recipe, run):
    """One machine of one or two."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:2", "--nproc-per-node", "1", "--max-restarts", "3"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-conf", "last_call_timeout=3,timeout=60"]
    return [*command, "--local-addr", "127.0.0.1", "-m", "smelt", "train", str(recipe), "--out", str(run)]


def has_begun(log):
    return len(log.read_bytes().splitlines()) > 20


@contextlib.contextmanager
def two_agents(command, second):
    """Start an agent of torchrun, which holds the meeting place, another one when `second` says so, and wait until both learn."""
    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "start_new_session": True}
    agents = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **quiet)]
    run = Path(command[-1])

    def until(reached):
        while not reached():
            assert agents[0].poll() is None, agents[0].communicate()[1]
            time.sleep(0.05)

    try:
        until(lambda: second(run))
        agents.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, **quiet))
        until(lambda: rank_of(run, 1))
        yield agents
    finally:
        for agent in agents:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(agent.pid, signal.SIGKILL)
            agent.wait()


@pytest.mark.distributed
def test_torchrun_goes_on_with_one_agent_when_the_other_is_lost(tmp_path):
    recipe = SMALL.replace("epochs: 2, refit: true,", "epochs: 60, patience: 60, checkpoint_minutes: 0.0001,")
    path, run = write_project(tmp_path, recipe + "parallel: {replicate: auto}\nlaunch: {kind: torchrun}\n"), tmp_path / "run"
    with two_agents(agent_command(path, run), lambda _: True) as agents:
        # A machine that is lost takes both along, the agent and the process that it started in a session of its own.
        for lost in (agents[1].pid, *children(agents[1].pid)):
            os.kill(lost, signal.SIGKILL)
        errors = agents[0].communicate(timeout=240)[1]
    assert agents[0].returncode == 0, errors
    assert "reference: resumes after step" in errors
    numbers = [step for step, _ in steps(run)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.distributed
def test_torchrun_goes_on_with_a_second_agent_when_it_comes(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")  # else the first agent keeps its address to itself
    recipe = SMALL.replace("epochs: 2, refit: true,", "epochs: 25, patience: 25, checkpoint_minutes: 0.0001,")
    path, run = write_project(tmp_path, recipe + "parallel: {replicate: auto}\nlaunch: {kind: torchrun}\n"), tmp_path / "run"
    with two_agents(agent_command(path, run), lambda run: any(map(has_begun, run.glob(".work/train-*/log.jsonl")))) as agents:
        errors = agents[0].communicate(timeout=240)[1]
    assert agents[0].returncode == 0, errors
    assert "reference: resumes after step" in errors
    (tmp_path / "alone").mkdir()
    alone = write_project(tmp_path / "alone", recipe)
    assert main(["train", str(alone), "--out", str(tmp_path / "alone" / "run")]) == 0
    ours, theirs = steps(run), steps(tmp_path / "alone" / "run")
    assert [step for step, _ in ours] == [step for step, _ in theirs]
    assert [loss for _, loss in ours] == pytest.approx([loss for _, loss in theirs], rel=1e-3, abs=1e-5)


def test_torchrun_and_the_recipe_have_to_agree(tmp_path, monkeypatch):
    path = write_project(tmp_path, RECIPE + "launch: {kind: torchrun}\n")
    with pytest.raises(UsageFault, match="torchrun did not start this command"):
        smelt.run(path, tmp_path / "run")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageFault, match="torchrun started this command"):
        smelt.run(path, tmp_path / "run", overrides=["launch={kind: local}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parallel: {shard: 2, sync_every: 4}", "above 1 needs whole copies"),
        ("parallel: {replicate: 9}", "9 shares of 1 microbatches cannot be made of 8 examples: take replicate times shard up to 8"),
        (
            "parallel: {replicate: 2, microbatches: 5}",
            "take replicate times shard up to 1, fewer microbatches, or a larger train.batch_examples",
        ),
        ("parallel: {tensor: 2}", "a model of kind 'cnn' is not split"),
        ("parallel: {pipeline: 2, microbatches: 3}", "3 pieces do not fill a pipeline of 2; want a multiple of it, or auto"),
        ("parallel: {pipeline: 2, replicate: 2, pipeline_schedule: zero_bubble}", "want gpipe, 1f1b or interleaved"),
        ("parallel: {replicate: 0}", "got 0, want a whole number of at least 1"),
    ],
)
def test_a_spread_that_cannot_be_is_refused_with_what_can(text, message, tmp_path):
    path = write_project(tmp_path, RECIPE + text + "\n")
    with pytest.raises(RecipeFaults) as caught:
        load(path)
    assert message in str(caught.value)


def test_heads_that_cannot_be_shared_are_refused_with_what_can(tmp_path):
    path = write_project(tmp_path, SMALL.replace("heads: 2, feed_forward: 16", "heads: 4, feed_forward: 18"))
    with pytest.raises(RecipeFaults, match="tensor 4 does not divide 4 heads and 18 feed-forward columns; want one of 1, 2"):
        load(path, ["parallel.tensor=4"])


def test_more_stages_than_layers_are_refused(tmp_path):
    with pytest.raises(RecipeFaults, match="4 stages of 2 layers: want at most as many stages as layers"):
        load(write_project(tmp_path, SMALL), ["parallel={pipeline: 2, pipeline_schedule: interleaved}"])


def test_an_rnn_is_not_split(tmp_path):
    path = write_project(tmp_path, RECIPE.replace("{kind: cnn, dim: 16, filters: 8, kernels: [1, 2],", "{kind: rnn, dim: 16,"))
    with pytest.raises(RecipeFaults, match="a model of kind 'rnn' is not split: take shard, tensor and pipeline of 1"):
        load(path, ["parallel.shard=2"])
