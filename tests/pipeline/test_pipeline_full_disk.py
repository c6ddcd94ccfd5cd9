"""A disk that becomes full in the middle of a run: a fault with a next step, and the same command goes on with room."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.test_pipeline_rank import SMALL
from tests.pipeline.test_pipeline_whole_run import RECIPE, write_project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory of so many kilobytes; calling it again makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def size(kilobytes):
        options = f"size={kilobytes}k" + (",remount" if mounted else "")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        mounted.append(kilobytes)
        return place

    yield size
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def finishes(command, small_disk):
    """Refused for want of room, then done with more of it."""
    full = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert full.returncode == 5
    assert "No space left on device" in full.stderr
    assert "then run the same command again: it resumes" in full.stderr
    assert "Traceback" not in full.stderr
    small_disk(8_000)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.mark.distributed
@pytest.mark.parametrize("kilobytes", [110, 160, 260])
def test_a_full_disk_is_a_fault_and_the_same_command_goes_on_when_there_is_room(small_disk, tmp_path, kilobytes):
    recipe = write_project(tmp_path, SMALL + "parallel: {replicate: 2}\n")
    run = small_disk(kilobytes) / "run"
    assert finishes([sys.executable, "-m", "smelt", "train", str(recipe), "--out", str(run)], small_disk)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [60, 70, 84, 90, 96, 160, 300, 400])
def test_wherever_a_disk_becomes_full_a_run_says_so_and_goes_on_when_there_is_room(small_disk, tmp_path, monkeypatch, kilobytes):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    run = small_disk(kilobytes) / "run"
    assert finishes([sys.executable, "-m", "smelt", "run", str(write_project(tmp_path, RECIPE)), "--out", str(run)], small_disk)
