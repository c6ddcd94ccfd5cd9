import errno
import os
import subprocess
import sys

import pytest

from smelt.errors import EnvironmentFault
from smelt.run.disk import Disk, read_json, read_manifest, write_file
from smelt.run.folder import RunFolder, code_version, fingerprint

INPUTS = {"section": {"epochs": 3}, "data": "0123"}


class Stage:
    """Counts how often it is filled; its result is one file and a nested one, of the same mark."""

    def __init__(self, mark="a"):
        self.mark, self.count, self.found = mark, 0, []

    def __call__(self, result, work):
        self.count += 1
        assert list(result.iterdir()) == []
        self.found.append(sorted(path.name for path in work.iterdir() if path != result))
        (work / "checkpoint").write_text(self.mark, encoding="utf-8")
        (result / "deep").mkdir()
        (result / "one.txt").write_text(self.mark, encoding="utf-8")
        (result / "deep" / "two.txt").write_text(self.mark, encoding="utf-8")


def mark_of(folder):
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    marks = {(folder / name).read_text(encoding="utf-8") for name in manifest["files"]}
    assert len(marks) == 1, f"a mixture: {marks}"
    return marks.pop()


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run", Disk())


def on(disk, run):
    return RunFolder(run.path, disk)


def test_a_stage_is_filled_and_stands_at_its_place(run):
    assert mark_of(run.stage("compress/static", INPUTS, Stage())) == "a"
    assert mark_of(run.path / "compress" / "static") == "a"


def test_a_stage_of_the_same_inputs_is_skipped(run):
    stage = Stage()
    run.stage("train", INPUTS, stage)
    run.stage("train", dict(reversed(INPUTS.items())), stage)
    assert stage.count == 1


def test_a_stage_of_other_inputs_is_filled_again_and_says_so(run, caplog):
    run.stage("train", INPUTS, Stage("a"))
    assert not caplog.records
    run.stage("train", INPUTS | {"data": "4567"}, Stage("b"))
    assert mark_of(run.path / "train") == "b"
    assert "it is made again" in caplog.text


@pytest.mark.parametrize("damage", ["one.txt", "deep/two.txt", "manifest.json"])
def test_a_damaged_stage_is_filled_again(run, damage):
    run.stage("train", INPUTS, Stage())
    (run.path / "train" / damage).write_bytes(b"x")
    again = Stage()
    run.stage("train", INPUTS, again)
    assert again.count == 1
    assert mark_of(run.path / "train") == "a"


def test_a_dropped_stage_is_filled_again(run):
    run.stage("train", INPUTS, Stage())
    run.drop(["train", "verify"])
    again = Stage()
    run.stage("train", INPUTS, again)
    assert again.count == 1


def test_a_dropped_stage_begins_at_its_start(run):
    def stop(_result, work):
        (work / "checkpoint").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.stage("train", INPUTS, stop)
    run.drop(["train"])
    again = Stage()
    run.stage("train", INPUTS, again)
    assert again.found == [[]]


def test_the_work_folder_is_gone_after_the_stage(run):
    run.stage("train", INPUTS, Stage())
    assert [path.name for path in run.path.iterdir() if path.name != ".work"] == ["train"]
    assert list((run.path / ".work").iterdir()) == []


def test_a_crash_anywhere_leaves_the_old_stage_none_or_the_new_one_and_the_next_call_finishes(tmp_path, every_crash, crash):
    for number, disk in enumerate(every_crash()):
        run = RunFolder(tmp_path / str(number), Disk())
        run.stage("train", INPUTS, Stage("old"))
        try:
            on(disk, run).stage("train", {}, Stage("new"))
        except crash:
            assert not (run.path / "train").exists() or mark_of(run.path / "train") in ("old", "new")
            run.stage("train", {}, Stage("new"))
            assert mark_of(run.path / "train") == "new"
            assert run.is_done("train", fingerprint({}))


def test_what_a_stage_left_in_its_work_folder_is_there_after_a_crash(run, crash):
    def dies(result, work):
        (work / "checkpoint").write_text("step 7", encoding="utf-8")
        (result / "half.txt").write_text("half", encoding="utf-8")
        raise crash

    with pytest.raises(crash):
        run.stage("train", INPUTS, dies)
    again = Stage()
    run.stage("train", INPUTS, again)
    assert again.found == [["checkpoint"]]


def test_a_stage_of_other_inputs_does_not_see_the_work_of_the_first_and_says_that_it_stays(run, crash, caplog):
    def dies(result, work):
        (work / "checkpoint").write_text("step 7", encoding="utf-8")
        raise crash

    with pytest.raises(crash):
        run.stage("train", INPUTS, dies)
    again = Stage()
    run.stage("train", {}, again)
    assert again.found == [[]]
    assert "is unfinished work for another recipe" in caplog.text
    assert [path.name for path in (run.path / ".work").glob("train-*/checkpoint")] == ["checkpoint"]


def test_a_full_disk_while_filling_is_an_environment_fault_and_no_stage(run):
    def full(result, work):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(EnvironmentFault, match="No space left") as caught:
        run.stage("train", INPUTS, full)
    assert caught.value.step
    assert not (run.path / "train").exists()


def test_the_digest_of_a_stage_does_not_depend_on_its_timing(run, tmp_path):
    other = RunFolder(tmp_path / "other", Disk())
    for folder in (run, other):
        folder.stage("train", INPUTS, Stage())
    (other.path / "train" / "manifest.json").write_text(
        (other.path / "train" / "manifest.json").read_text(encoding="utf-8").replace('"seconds": 0', '"seconds": 9'), encoding="utf-8"
    )
    assert run.digest("train") == other.digest("train")


def test_the_digest_of_a_stage_depends_on_every_byte(run, tmp_path):
    other = RunFolder(tmp_path / "other", Disk())
    run.stage("train", INPUTS, Stage("a"))
    other.stage("train", INPUTS, Stage("b"))
    assert run.digest("train") != other.digest("train")


def test_a_single_file_of_the_same_inputs_is_not_written_again(run):
    written = []

    def write(path):
        written.append(path)
        write_file(path, b"a", Disk())

    for _ in range(2):
        assert run.file("predictions/reference.jsonl", INPUTS, write).read_bytes() == b"a"
    assert len(written) == 1


def test_a_single_file_is_written_again_for_other_inputs(run):
    run.file("frontier.json", INPUTS, lambda path: write_file(path, b"a", Disk()))
    assert run.file("frontier.json", {}, lambda path: write_file(path, b"b", Disk())).read_bytes() == b"b"


def test_a_single_file_that_was_changed_is_written_again(run):
    def write(path):
        write_file(path, b"a", Disk())

    run.file("frontier.json", INPUTS, write).write_bytes(b"b")
    assert run.file("frontier.json", INPUTS, write).read_bytes() == b"a"


def test_a_json_file_of_the_run_is_written(run):
    run.write_json("verify/verdict.json", {"certified": True})
    assert read_json(run.path / "verify" / "verdict.json") == {"certified": True}


HOLD = """
import sys
from pathlib import Path
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder
with RunFolder(Path(sys.argv[1]), Disk()).hold():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_process(run):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_is_held_by_one_process_at_a_time(run, other_process):
    with pytest.raises(EnvironmentFault, match="another process works on this run") as caught, run.hold():
        pytest.fail("two processes hold one run")
    assert caught.value.exit_code == 5
    assert "--out" in caught.value.step


def test_a_run_is_free_again_when_the_other_process_was_killed(run, other_process):
    other_process.kill()
    other_process.wait()
    with run.hold():
        assert run.path.is_dir()


def test_a_run_is_free_again_after_the_block(run):
    held = []
    for number in range(2):
        with run.hold():
            held.append(number)
    assert held == [0, 1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_folder_that_cannot_be_written_is_an_environment_fault(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentFault), RunFolder(tmp_path / "run", Disk()).hold():
        pytest.fail("held a run that cannot be written")


def test_a_file_in_place_of_the_run_folder_is_an_environment_fault(tmp_path):
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(EnvironmentFault), RunFolder(tmp_path / "run", Disk()).hold():
        pytest.fail("held a file")


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_fingerprint_tells_a_number_from_its_word():
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


def test_the_version_of_the_code_differs_between_rooms():
    assert code_version("run") != code_version("tasks")


def test_the_version_of_the_code_counts_each_room_and_single_files():
    assert len({code_version("run"), code_version("run", "types.py"), code_version("run", "tasks")}) == 3
