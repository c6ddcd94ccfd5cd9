"""Put bytes on disk so that a crash at any moment leaves either the old state or the new one, never a mixture.

Whatever makes a result appear (its manifest, fsync, rename) goes through a `Disk`, and tests pass one that dies at the n-th of them. What
libraries write first (shards of a checkpoint, tables, graphs) lies in a work folder that nothing reads before it is committed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from smelt.errors import EnvironmentFault
from smelt.language import say

MANIFEST = "manifest.json"
_BY_SYSTEM = "(os error "


class Disk:
    """The three operations whose order decides what a crash leaves behind."""

    def write(self, path: Path, data: bytes) -> None:
        """Create or replace the file's bytes. Not atomic."""
        path.write_bytes(data)

    def sync(self, path: Path) -> None:
        """Wait until a file or a folder's list of names is on the device."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Move a file or folder over the target in one step."""
        source.replace(target)


def write_file(path: Path, data: bytes, disk: Disk) -> None:
    """Replace a file's contents atomically: write beside it, fsync, rename, fsync the folder.

    Raises:
        EnvironmentFault: the disk is full, read-only or failing.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write(beside, data)
        disk.sync(beside)
        disk.rename(beside, path)
        disk.sync(path.parent)
    except OSError as error:
        raise io_fault(path, error) from error


def write_json(path: Path, value: object, disk: Disk) -> None:
    """`write_file` of a JSON document: UTF-8, two spaces, keys in the order given."""
    write_file(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), disk)


def commit_folder(source: Path, target: Path, facts: dict[str, object], disk: Disk) -> None:
    """Make a finished folder appear at `target` in one step, with a manifest of its files.

    Args:
        source: the folder that was filled, on the same file system. It is gone afterwards.
        target: where it shall stand. What stands there is replaced.
        facts: further fields of the manifest, beside `files` (name → sha256).
        disk: through which everything is written.

    Raises:
        EnvironmentFault: the disk is full, read-only or failing.
    """
    try:
        files = {path.relative_to(source).as_posix(): sha256_file(path) for path in sorted(source.rglob("*")) if path.is_file()}
        files.pop(MANIFEST, None)
        for name in files:
            disk.sync(source / name)
        manifest = json.dumps(facts | {"files": files}, indent=2, ensure_ascii=False).encode()
        disk.write(source / MANIFEST, manifest)
        disk.sync(source / MANIFEST)
        for folder in sorted({(source / name).parent for name in files} | {source}):
            disk.sync(folder)
        if target.exists():
            discard(target, disk)
        target.parent.mkdir(parents=True, exist_ok=True)
        disk.rename(source, target)
        disk.sync(target.parent)
    except OSError as error:
        raise io_fault(target, error) from error


def discard(path: Path, disk: Disk) -> None:
    """Remove a folder so that no half of it can be taken for the whole: first its name goes, then its files."""
    if path.exists():
        grave = path.with_name(f".{path.name}.gone")
        shutil.rmtree(grave, ignore_errors=True)
        disk.rename(path, grave)
        shutil.rmtree(grave, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, object] | None:
    """Return the manifest of a committed folder if every file it names is there, unchanged; else None."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = all(sha256_file(folder / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def read_json(path: Path) -> object:
    """Return the JSON value in a file, None if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def faults_of_disk(path: Path) -> Iterator[None]:
    """Tell what goes wrong with files inside the block as a fault that a person has to mend.

    Raises:
        EnvironmentFault: the disk is full, read-only or failing.
    """
    try:
        yield
    except OSError as error:
        raise io_fault(path, error) from error
    except SafetensorError as error:  # it tells what the system said in words alone
        if _BY_SYSTEM not in str(error):
            raise
        raise io_fault(path, error) from error


def io_fault(path: Path, error: OSError | SafetensorError) -> EnvironmentFault:
    """Turn an error of the system into a sentence with a place and a next step."""
    return EnvironmentFault(
        say("{path}: {reason}", path=path, reason=getattr(error, "strerror", None) or error),
        step=say("Free some space or choose another folder with --out, then run the same command again: it resumes."),
    )
