"""Processes of this machine: they learn who they are, start again together, and tell what went wrong."""

import sys

import pytest

from smelt.errors import DataFault, EnvironmentFault
from smelt.launch.local import Group, launch
from smelt.launch.telling import listen
from smelt.recipe.parallel import LocalLaunch

HEAD = "import json, os, signal, sys, time; rank, attempt = int(os.environ['RANK']), int(os.environ['SMELT_ATTEMPT']); "


def start(code, folder, *, processes=3, restarts=2):
    heard = []
    group = Group(command=[sys.executable, "-c", HEAD + code], processes=processes, threads=2, folder=folder)
    launch(group, LocalLaunch(restarts=restarts), lambda *told: heard.append(told))
    return heard


def test_each_knows_its_rank_and_how_many_there_are(tmp_path):
    code = "print(json.dumps({'name': os.environ['RANK'], 'step': None, 'facts': {'of': os.environ['WORLD_SIZE'], \
        'threads': os.environ['OMP_NUM_THREADS'], 'local': os.environ['LOCAL_RANK']}}))"
    heard = sorted(start(code, tmp_path))
    assert heard == [(str(rank), None, {"of": "3", "threads": "2", "local": str(rank)}) for rank in range(3)]


def test_when_one_dies_all_start_again(tmp_path, caplog):
    code = (
        "open(os.path.dirname(os.environ['SMELT_STORE']) + f'/began-{rank}-{attempt}', 'w').close()\n"
        "if attempt < 2 and rank == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if attempt < 2: time.sleep(60)\n"
    )
    start("\n" + code, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("began-1-*")) == [f"began-1-{attempt}" for attempt in range(3)]
    assert caplog.text.count("process 1 of 3 died of signal 9; all start again from the last checkpoint") == 2


def test_one_that_dies_too_often_ends_it_with_its_last_words(tmp_path):
    with pytest.raises(EnvironmentFault, match=r"process 2 of 3 failed: ValueError: no more; they were started 2 times") as caught:
        start("\ntime.sleep(0 if rank == 2 else 60)\nraise ValueError('no more')", tmp_path, restarts=1)
    assert "rank-*.log" in caught.value.step


def test_a_fault_is_the_fault_of_all_and_nothing_starts_again(tmp_path, caplog):
    fault = "{'fault': {'code': 4, 'message': 'rows 3: no label', 'step': 'Give one.'}}"
    with pytest.raises(DataFault, match="rows 3: no label") as caught:
        start(f"print(json.dumps({fault}), flush=True) if rank == 0 else time.sleep(60); sys.exit(1)", tmp_path)
    assert caught.value.step == "Give one."
    assert "start again" not in caplog.text


def test_news_go_to_whoever_hears_the_rest_comes_back_and_half_a_line_is_left_out():
    heard = []
    lines = ['{"name": "a", "step": {"step": 1}, "facts": {}}\n', '{"name": "a", "st', '{"fault": {}}\n']
    rest = listen(lines, lambda *told: heard.append(told))
    assert heard == [("a", {"step": 1}, {})]
    assert rest == [{"fault": {}}]
