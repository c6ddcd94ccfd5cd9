import errno
import hashlib
import json
import os
import shutil

import pytest

from smelt.errors import EnvironmentFault
from smelt.run.disk import MANIFEST, Disk, commit_folder, discard, read_json, read_manifest, sha256_file, write_file, write_json

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill(folder, mark):
    """A folder of two files, one of them nested, that both say the same mark."""
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text(mark, encoding="utf-8")
    (folder / "deep" / "two.txt").write_text(mark, encoding="utf-8")
    return folder


def mark_of(folder):
    """The mark of a whole folder; None if it is not whole."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    marks = {(folder / name).read_text(encoding="utf-8") for name in manifest["files"]} | {manifest["mark"]}
    assert len(marks) == 1, f"a mixture: {marks}"
    return marks.pop()


def test_a_file_is_written(tmp_path):
    write_file(tmp_path / "new" / "a.txt", "央行".encode(), Disk())
    assert (tmp_path / "new" / "a.txt").read_bytes() == "央行".encode()


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    write_file(tmp_path / "a.txt", b"x", Disk())
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_json_is_readable_utf_8(tmp_path):
    write_json(tmp_path / "a.json", {"标签": 1}, Disk())
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "标签": 1\n}\n'


def test_a_crash_while_writing_a_file_leaves_the_old_or_the_new_one(tmp_path, every_crash, crash):
    path, states = tmp_path / "a.txt", set()
    for disk in every_crash():
        write_file(path, b"old", Disk())
        try:
            write_file(path, b"new and longer", disk)
        except crash:
            states.add(path.read_bytes())
    assert states == {b"old", b"new and longer"}


def test_a_crash_while_writing_a_first_file_leaves_none_or_a_whole_one(tmp_path, every_crash, crash):
    path = tmp_path / "a.txt"
    for disk in every_crash():
        path.unlink(missing_ok=True)
        try:
            write_file(path, b"new", disk)
        except crash:
            assert not path.exists() or path.read_bytes() == b"new"


def test_a_write_after_a_crash_gets_through(tmp_path, every_crash, crash):
    for disk in every_crash():
        try:
            write_file(tmp_path / "a.txt", b"new", disk)
        except crash:
            write_file(tmp_path / "a.txt", b"newer", Disk())
            assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"newer"}


def test_bytes_are_on_the_device_before_they_get_their_name(tmp_path):
    class Recorder(Disk):
        def __init__(self):
            self.order = []

        def write(self, path, data):
            self.order.append("write")
            super().write(path, data)

        def sync(self, path):
            self.order.append("sync folder" if path.is_dir() else "sync file")
            super().sync(path)

        def rename(self, source, target):
            self.order.append("rename")
            super().rename(source, target)

    disk = Recorder()
    write_file(tmp_path / "a.txt", b"x", disk)
    assert disk.order == ["write", "sync file", "rename", "sync folder"]


def test_a_committed_folder_stands_at_its_target_with_a_manifest(tmp_path):
    commit_folder(fill(tmp_path / "work", "a"), tmp_path / "deep" / "target", {"mark": "a"}, Disk())
    manifest = read_manifest(tmp_path / "deep" / "target")
    assert manifest == {"mark": "a", "files": dict.fromkeys(("deep/two.txt", "one.txt"), hashlib.sha256(b"a").hexdigest())}
    assert not (tmp_path / "work").exists()


def test_a_crash_while_committing_leaves_the_old_folder_none_or_the_new_one(tmp_path, every_crash, crash):
    target, states = tmp_path / "target", set()
    for disk in every_crash():
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
        commit_folder(fill(tmp_path / "old", "old"), target, {"mark": "old"}, Disk())
        try:
            commit_folder(fill(tmp_path / "work", "new"), target, {"mark": "new"}, disk)
        except crash:
            states.add(mark_of(target) if target.exists() else "none")
    assert states == {"old", "none", "new"}


def test_a_commit_after_a_crash_gets_through(tmp_path, every_crash, crash):
    target = tmp_path / "target"
    for disk in every_crash():
        try:
            commit_folder(fill(tmp_path / "work", "new"), target, {"mark": "new"}, disk)
        except crash:
            shutil.rmtree(tmp_path / "work", ignore_errors=True)
            commit_folder(fill(tmp_path / "work", "newer"), target, {"mark": "newer"}, Disk())
            assert mark_of(target) == "newer"


def test_every_file_is_on_the_device_before_the_folder_gets_its_name(tmp_path):
    class Recorder(Disk):
        def __init__(self):
            self.synced, self.before = set(), None

        def sync(self, path):
            self.synced.add(path)
            super().sync(path)

        def rename(self, source, target):
            self.before = {path for path in [source, *source.rglob("*")] if path.name != "ignored"}
            super().rename(source, target)

    disk = Recorder()
    commit_folder(fill(tmp_path / "work", "a"), tmp_path / "target", {"mark": "a"}, disk)
    assert disk.before - disk.synced == set()
    assert tmp_path in disk.synced


@pytest.mark.parametrize("damage", ["changed", "emptied", "missing", "no manifest", "half a manifest", "manifest of a list"])
def test_a_folder_that_is_not_whole_has_no_manifest(tmp_path, damage):
    target = tmp_path / "target"
    commit_folder(fill(tmp_path / "work", "a"), target, {"mark": "a"}, Disk())
    match damage:
        case "changed":
            (target / "one.txt").write_text("b", encoding="utf-8")
        case "emptied":
            (target / "one.txt").write_bytes(b"")
        case "missing":
            (target / "deep" / "two.txt").unlink()
        case "no manifest":
            (target / MANIFEST).unlink()
        case "half a manifest":
            (target / MANIFEST).write_bytes((target / MANIFEST).read_bytes()[:40])
        case _:
            (target / MANIFEST).write_text("[]", encoding="utf-8")
    assert read_manifest(target) is None


def test_a_whole_folder_is_not_a_damaged_one(tmp_path):
    commit_folder(fill(tmp_path / "work", "a"), tmp_path / "target", {"mark": "a"}, Disk())
    assert mark_of(tmp_path / "target") == "a"


@pytest.mark.parametrize("at", range(4))
def test_a_full_disk_is_an_environment_fault_with_a_next_step(tmp_path, failing_disk, at):
    with pytest.raises(EnvironmentFault, match=r"a\.txt: No space left on device") as caught:
        write_file(tmp_path / "a.txt", b"x", failing_disk(at, FULL))
    assert "Free some space" in caught.value.step


@pytest.mark.parametrize("at", range(8))
def test_a_full_disk_while_committing_is_an_environment_fault(tmp_path, failing_disk, at):
    with pytest.raises(EnvironmentFault, match="No space left"):
        commit_folder(fill(tmp_path / "work", "a"), tmp_path / "target", {"mark": "a"}, failing_disk(at, FULL))


def test_a_full_disk_leaves_the_old_file(tmp_path, failing_disk):
    write_file(tmp_path / "a.txt", b"old", Disk())
    with pytest.raises(EnvironmentFault):
        write_file(tmp_path / "a.txt", b"new", failing_disk(0, FULL))
    assert (tmp_path / "a.txt").read_bytes() == b"old"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
def test_a_disk_that_cannot_be_written_is_an_environment_fault(tmp_path, failing_disk, code):
    with pytest.raises(EnvironmentFault, match=os.strerror(code)):
        write_file(tmp_path / "a.txt", b"x", failing_disk(0, OSError(code, os.strerror(code))))


def test_a_file_where_a_folder_should_be_is_an_environment_fault(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(EnvironmentFault):
        write_file(tmp_path / "a" / "b.txt", b"x", Disk())


def test_a_discarded_folder_is_gone(tmp_path):
    discard(fill(tmp_path / "a", "a"), Disk())
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_discarding_leaves_no_half_folder(tmp_path, every_crash, crash):
    for disk in every_crash():
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        commit_folder(fill(tmp_path / "work", "a"), tmp_path / "a", {"mark": "a"}, Disk())
        try:
            discard(tmp_path / "a", disk)
        except crash:
            assert not (tmp_path / "a").exists() or mark_of(tmp_path / "a") == "a"


def test_discarding_nothing_is_no_fault(tmp_path):
    discard(tmp_path / "a", Disk())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "not utf-8", "deep"])
def test_what_is_no_json_reads_as_none(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json") is None


def test_a_missing_json_file_reads_as_none(tmp_path):
    assert read_json(tmp_path / "a.json") is None


def test_json_reads_as_it_was_written(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, "二", None]}, Disk())
    assert read_json(tmp_path / "a.json") == json.loads('{"a": [1, "二", null]}')


def test_the_hash_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"x" * 100_000).hexdigest()
