"""From a folder of graph files to a session."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from smelt.errors import BundleFault, EnvironmentFault
from smelt.language import say
from smelt.run.disk import Disk, write_json
from smelt.run.state import state_folder
from smelt.runtime.isa import isa
from smelt.runtime.manifest import Manifest, read_manifest
from smelt.runtime.windows import WindowSession
from smelt.tasks.windows import Windows
from smelt.types import Session

_TRIAL_SECONDS = 180


def open_session(folder: Path, manifest: Manifest, threads: int) -> Session:
    """Open the graph in a folder whose manifest was checked.

    Raises:
        BundleFault: the runtime refuses the graph.
        EnvironmentFault: the runtime is not installed.
    """
    try:
        return _open_windows(folder, manifest, threads)
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            say("package {package} is not installed", package=error.name), step=say('Run: pip install "smelt[serve]"')
        ) from error


def _open_windows(folder: Path, manifest: Manifest, threads: int) -> Session:
    """Open a graph, behind a session that cuts documents into windows where the manifest says so."""
    session = _open(folder, manifest, threads)
    if manifest.windows is None or manifest.family == "cascade":
        return session
    try:
        return WindowSession(session, Windows(**manifest.windows))
    except (TypeError, ValueError) as error:
        raise BundleFault(say("{folder}: {reason}", folder=folder, reason=error)) from error


def _open(folder: Path, manifest: Manifest, threads: int) -> Session:
    if manifest.family == "cascade":
        return _open_cascade(folder, threads)
    match manifest.runtime:
        case "numpy":
            from smelt.runtime.linear import LinearSession
            from smelt.runtime.static import StaticSession

            return (LinearSession if manifest.family == "linear" else StaticSession)(folder, threads=threads)
        case "onnxruntime":
            from smelt.runtime.onnx import GRAPH, OnnxSession

            _need(folder, manifest, GRAPH)
            return OnnxSession(folder, precision=manifest.precision, threads=threads)
        case "openvino":
            from smelt.runtime.openvino import OpenvinoSession

            _need(folder, manifest, "model.xml", "model.bin")
            safe = replace(manifest, precision=_precision_that_runs(folder, manifest))
            return OpenvinoSession(folder, precision=safe.precision, threads=threads, longest=manifest.longest)
        case _:
            assert_never(manifest.runtime)


def _open_cascade(folder: Path, threads: int) -> Session:
    from smelt.runtime.cascade import FAST, SLOW, CascadeSession, read_rule

    parts = {name: read_manifest(folder / name) for name in (FAST, SLOW)}
    if any(part.family == "cascade" for part in parts.values()):
        raise BundleFault(say("{folder}: a cascade within a cascade", folder=folder))
    fast, slow = (_open_windows(folder / name, part, threads) for name, part in parts.items())
    return CascadeSession(fast, slow, read_rule(folder))


def _need(folder: Path, manifest: Manifest, *names: str) -> None:
    for name in names:
        if name not in manifest.files:
            raise BundleFault(say("{folder}: {name} is missing", folder=folder, name=name))


def _precision_that_runs(folder: Path, manifest: Manifest) -> str:
    """Let a child process compile the graph first: on some processors OpenVINO ends the process instead of raising.

    The answer is remembered per bundle and CPU. bf16 falls back to fp32; what fails then is refused.
    """
    graph = f"{manifest.files['model.xml'][:16]}{manifest.files['model.bin'][:16]}-{manifest.precision}"
    memory = state_folder() / "compiles" / f"{graph}.json"
    known = _remembered(memory)
    if known is None:
        tried = [manifest.precision, *(["fp32"] if manifest.precision == "bf16" else [])]
        known = next((precision for precision in tried if _child_compiles(folder, precision)), "")
        if known:
            _remember(memory, known)
    if not known:
        raise BundleFault(
            say("{folder}: OpenVINO ends on this processor ({isa})", folder=folder, isa=isa()),
            step=say("Use the bundle in export/reference, or run the recipe with compress.formats of onnxruntime only."),
        )
    return known


def _child_compiles(folder: Path, precision: str) -> bool:
    command = [sys.executable, "-m", "smelt.runtime.trial", str(folder), precision]
    try:
        return subprocess.run(command, capture_output=True, timeout=_TRIAL_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _remembered(memory: Path) -> str | None:
    try:
        said = json.loads(memory.read_text(encoding="utf-8"))
        return said["precision"] if said["isa"] == isa() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(memory: Path, precision: str) -> None:
    try:
        write_json(memory, {"isa": isa(), "precision": precision}, Disk())
    except EnvironmentFault:
        return  # a read-only home costs a trial each time, nothing else
