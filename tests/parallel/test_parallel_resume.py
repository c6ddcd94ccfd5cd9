"""A training that is cut goes on: bit for bit in as many processes, in the same order of data in any other number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from smelt.errors import EnvironmentFault
from smelt.launch.local import Group, launch
from smelt.recipe.parallel import LocalLaunch, Parallel

ROOT = Path(__file__).resolve().parents[2]


def sit(work, spread, *, dropout, kills=None, restarts=0, architecture=""):
    """One sitting in the processes that the spread asks for."""
    words = [
        sys.executable,
        "-m",
        "tests.parallel.sitting",
        str(work),
        json.dumps(spread),
        str(dropout),
        json.dumps(kills or {}),
        architecture,
    ]
    processes = Parallel(**spread).processes
    if processes == 1:
        subprocess.run(words, check=True, cwd=ROOT)
        return
    group = Group(command=words, processes=processes, threads=1, folder=work / "ranks")
    launch(group, LocalLaunch(restarts=restarts), lambda *_: None)


def losses(work):
    """Loss of every step in the log, by its number."""
    lines = [json.loads(line) for line in (work / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [(line["step"], line["loss"]) for line in lines if line["event"] == "step"]
    assert [step for step, _ in found] == list(range(1, len(found) + 1))
    return [loss for _, loss in found]


@pytest.mark.parametrize(
    "spread",
    [{"replicate": 2}, *(pytest.param(one, marks=pytest.mark.distributed) for one in ({"shard": 2}, {"replicate": 2, "sync_every": 3}))],
    ids=str,
)
def test_killed_processes_start_again_and_nothing_changes(tmp_path, spread, caplog):
    sit(tmp_path / "whole", spread, dropout=0.1)
    want = losses(tmp_path / "whole")
    assert len(want) > 20
    # The first attempt dies at its 9th step, the second one at its 5th, another process each time.
    sit(tmp_path / "cut", spread, dropout=0.1, kills={"0/1": 9, "1/0": 5}, restarts=2)
    assert caplog.text.count("all start again") == 2
    assert losses(tmp_path / "cut") == want


@pytest.mark.distributed
def test_a_training_goes_on_in_another_number_of_processes(tmp_path):
    sit(tmp_path / "alone", {}, dropout=0.0)
    work = tmp_path / "resized"
    for spread, kills in (
        ({"replicate": 4}, {"0/3": 6}),
        ({"shard": 2}, {"0/0": 7}),
        ({"pipeline": 2, "tensor": 2}, {"0/3": 4}),
        ({"replicate": 2, "shard": 2}, {"0/1": 4}),
    ):
        with pytest.raises(EnvironmentFault, match="died of signal 9"):
            sit(work, spread, dropout=0.0, kills=kills)
    sit(work, {"replicate": 3}, dropout=0.0)
    assert losses(work) == pytest.approx(losses(tmp_path / "alone"), rel=1e-5)


@pytest.mark.distributed
@pytest.mark.parametrize("before", [{}, {"replicate": 2}], ids=str)
def test_processes_that_split_matrices_drop_out_the_same_units_whatever_they_did_before(tmp_path, before):
    with pytest.raises((EnvironmentFault, subprocess.CalledProcessError)):
        sit(tmp_path, before, dropout=0.3, kills={"0/0": 9})
    sit(tmp_path, {"tensor": 2}, dropout=0.3)  # it compares what both have a copy of
    assert len(losses(tmp_path)) > 20


@pytest.mark.distributed
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_language_model_goes_on_as_a_pipeline_and_back(tmp_path, architecture):
    """GPT-2's tied matrix is one parameter in one process and two in a pipeline; its moments have to follow."""
    sit(tmp_path / "alone", {}, dropout=0.0, architecture=architecture)
    work = tmp_path / "resized"
    for spread, kills in (({"replicate": 2}, {"0/1": 5}), ({"pipeline": 2}, {"0/1": 24}), ({"shard": 2}, {"0/0": 4})):
        with pytest.raises(EnvironmentFault, match="died of signal 9"):
            sit(work, spread, dropout=0.0, kills=kills, architecture=architecture)
    sit(work, {}, dropout=0.0, architecture=architecture)
    assert losses(work) == pytest.approx(losses(tmp_path / "alone"), rel=1e-5)
