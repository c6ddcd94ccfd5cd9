"""The bundle's manifest: what is in the folder, by hash, and what it was certified on."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from smelt.errors import BundleFault
from smelt.language import say
from smelt.run.disk import sha256_file

FILE = "manifest.json"
SEAL = "manifest.sha256"
FORMAT = 1
Runtime = Literal["numpy", "openvino", "onnxruntime"]
Precision = Literal["fp32", "bf16", "int8"]
Family = Literal["network", "static", "linear", "cascade"]
_CHOICES = {"runtime": get_args(Runtime), "precision": get_args(Precision), "family": get_args(Family)}
PARTS = ("fast", "slow")
"""Folders that a cascade's bundle has; no other bundle has any."""
_NAME = re.compile(r"((fast|slow)/)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Facts about a bundle. Everything but `files` is set before the folder is sealed."""

    name: str
    """Name of the candidate."""
    family: Family
    runtime: Runtime
    precision: Precision
    text_column: str
    isa: str
    """CPU flags of the machine that made it."""
    versions: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    """Threads of the better batch-1 latency."""
    certified: bool = False
    windows: dict[str, Any] | None = None
    """Fields of `tasks.windows.Windows` where the graph reads windows of a document; None where it reads all of it."""
    longest: int | None = None
    """Tokens that the graph may be given at most; None where that is not known."""
    smelt_format: int = FORMAT
    files: dict[str, str] = field(default_factory=dict)
    """sha256 of every other file in the folder but the seal."""


def seal(folder: Path, manifest: Manifest) -> None:
    """Write manifest and seal over the files that lie in the folder now."""
    files = {name: sha256_file(folder / name) for name in sorted(_entries(folder)) if name not in (FILE, SEAL)}
    raw = json.dumps(asdict(manifest) | {"files": files}, indent=2, ensure_ascii=False).encode()
    (folder / FILE).write_bytes(raw)
    (folder / SEAL).write_text(hashlib.sha256(raw).hexdigest() + "  " + FILE + "\n", encoding="ascii")


def read_manifest(folder: Path) -> Manifest:
    """Check the seal, then every file, then the fields. Nothing of the bundle is used before this has returned.

    Raises:
        BundleFault: a file is missing, foreign or changed; the message names it.
    """
    raw = _sealed_bytes(folder)
    try:
        values = json.loads(raw)
        manifest = Manifest(**values)
        known = all(getattr(manifest, name) in choices for name, choices in _CHOICES.items())
        known &= manifest.longest is None or (type(manifest.longest) is int and manifest.longest > 0)
        if manifest.smelt_format != FORMAT or not known or not isinstance(manifest.files, dict):
            raise ValueError(say("unknown format"))
    except (ValueError, TypeError, RecursionError) as error:
        _refuse(folder / FILE, str(error))
    _check_files(folder, manifest.files)
    return manifest


def _sealed_bytes(folder: Path) -> bytes:
    if not (folder / FILE).is_file():
        raise BundleFault(
            say("{folder}: no bundle: {file} is missing", folder=folder, file=FILE),
            step=say("Name a bundle folder, such as runs/<name>/export/bundle."),
        )
    raw = (folder / FILE).read_bytes()
    try:
        said = (folder / SEAL).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        said = ""
    if said != hashlib.sha256(raw).hexdigest() + "  " + FILE + "\n":
        _refuse(folder / FILE, say("it does not match {seal}", seal=SEAL))
    return raw


def _check_files(folder: Path, files: dict[str, str]) -> None:
    present = set(_entries(folder)) - {FILE, SEAL}
    for name in sorted(present | set(files)):
        path = folder / name
        if name not in files:
            _refuse(path, say("it is not in the manifest"))
        if not _NAME.fullmatch(name) or path.is_symlink() or not path.is_file() or path.stat().st_nlink != 1:
            _refuse(path, say("not a plain file of this folder"))
        if sha256_file(path) != files[name]:
            _refuse(path, say("it was changed: its sha256 is not the manifest's"))


def _entries(folder: Path) -> Iterator[str]:
    """Name what lies in a bundle, and in the parts of a cascade; whatever else is a folder is an entry itself, and refused."""
    for path in folder.iterdir():
        if path.name in PARTS and path.is_dir() and not path.is_symlink():
            yield from (f"{path.name}/{inner.name}" for inner in path.iterdir())
        else:
            yield path.name


def _refuse(path: Path, reason: str) -> NoReturn:
    raise BundleFault(say("{path}: refused: {reason}", path=path, reason=reason), step=say("Take the bundle again from where it was made."))
