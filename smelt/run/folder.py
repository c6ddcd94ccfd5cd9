"""One run on disk. A stage reads what earlier ones wrote, works in a place that outlives a crash, and appears whole."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.run.disk import MANIFEST, Disk, commit_folder, faults_of_disk, io_fault, read_json, read_manifest, sha256_file, write_json

_LOG = logging.getLogger("smelt")
_PACKAGE = Path(__file__).resolve().parent.parent
_WORK = ".work"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder, held by one process at a time (`hold`)."""

    path: Path
    disk: Disk

    def stage(self, place: str, inputs: Mapping[str, object], fill: Callable[[Path, Path], None]) -> Path:
        """Return the finished folder of a stage; fill it first unless it stands there for the same inputs.

        Args:
            place: path below the run folder, such as `train` or `compress/static`.
            inputs: everything the result follows from, as JSON values; see `fingerprint`.
            fill: is called with the empty folder to fill and a work folder. What it left in the work folder before a crash is
                still there when the same stage is filled again.
        """
        target = self.path / place
        mark = fingerprint(inputs)
        if self.is_done(place, mark):
            return target
        work = self.path / _WORK / f"{place.replace('/', '-')}-{mark[:16]}"
        self._tell_of_others(place, work)
        result = work / "result"
        shutil.rmtree(result, ignore_errors=True)
        started = time.time()
        with faults_of_disk(target):
            result.mkdir(parents=True)
            fill(result, work)
        commit_folder(result, target, {"fingerprint": mark, "seconds": round(time.time() - started, 3)}, self.disk)
        shutil.rmtree(work, ignore_errors=True)
        return target

    def _tell_of_others(self, place: str, work: Path) -> None:
        """Say that a whole stage begins anew, since what it follows from is not what it was."""
        if "/" in place or work.is_dir():
            return
        if read_manifest(self.path / place) is not None:
            _LOG.warning("%s", say("{place}: recipe, data or code are not those that {path} was made from; it is made again",
                                   place=place, path=self.path / place))  # fmt: skip
        for other in (path for path in sorted((self.path / _WORK).glob(f"{place}-*")) if path.is_dir()):
            told = say(
                "{place}: {path} is unfinished work for another recipe, other data or code; it stays, and this begins anew",
                place=place, path=other,
            )  # fmt: skip
            _LOG.warning("%s", told)

    def file(self, name: str, inputs: Mapping[str, object], write: Callable[[Path], None]) -> Path:
        """Return a finished single file; let `write` put it there atomically unless it stands there for the same inputs.

        Its fingerprint stands beside it in `.work`, written after the file.
        """
        target, mark = self.path / name, self.path / _WORK / f"{name.replace('/', '-')}.json"
        wanted = fingerprint(inputs)
        if target.is_file() and read_json(mark) == {"fingerprint": wanted, "sha256": sha256_file(target)}:
            return target
        write(target)
        write_json(mark, {"fingerprint": wanted, "sha256": sha256_file(target)}, self.disk)
        return target

    def is_done(self, place: str, mark: str) -> bool:
        """Say whether a stage's folder is whole and of this fingerprint."""
        manifest = read_manifest(self.path / place)
        return manifest is not None and manifest.get("fingerprint") == mark

    def digest(self, place: str) -> str:
        """Return the sha256 of a finished stage's manifest: it stands for every byte of the stage but its timing."""
        manifest = json.loads((self.path / place / MANIFEST).read_text(encoding="utf-8"))
        return hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()

    def write_json(self, name: str, value: object) -> None:
        """Write a single JSON file of the run atomically."""
        write_json(self.path / name, value, self.disk)

    def drop(self, places: Sequence[str]) -> None:
        """Remove finished stages, and what they left unfinished, so that they run again from their start."""
        for place in places:
            for path in (self.path / place, *(self.path / _WORK).glob(f"{place.replace('/', '-')}-*")):
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes out of the run while the block lasts.

        Raises:
            EnvironmentFault: another process works on this run, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / ".lock").open("w")
        except OSError as error:
            raise io_fault(self.path, error) from error
        with stream:
            self._lock(stream)
            yield

    def _lock(self, stream: IO[str]) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EnvironmentFault(
                say("{path}: another process works on this run", path=self.path),
                step=say("Wait for it, or give another folder with --out."),
            ) from error
        stream.write(str(os.getpid()))
        stream.flush()


def fingerprint(inputs: Mapping[str, object]) -> str:
    """Return the sha256 of a mapping of JSON values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code_version(*rooms: str) -> str:
    """Return one hash over the source files of rooms (or single files), so that a stage runs again when the code behind it changed."""
    places = [_PACKAGE / room for room in rooms]
    files = sorted(path for place in places for path in ([place] if place.is_file() else place.rglob("*.py")))
    return fingerprint({path.relative_to(_PACKAGE).as_posix(): sha256_file(path) for path in files})
