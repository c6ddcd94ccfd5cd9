"""Read matrices from safetensors and refuse what a session could not use."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from smelt.errors import BundleFault
from smelt.language import say


def has_tensor(path: Path, name: str) -> bool:
    """Say whether a safetensors file holds a tensor of this name; of a file that cannot be read, that it does not."""
    try:
        with safe_open(path, framework="numpy") as stream:
            return name in stream.keys()  # noqa: SIM118  the stream is no mapping
    except (OSError, SafetensorError):
        return False


def read_tensors(path: Path, shapes: Mapping[str, str]) -> dict[str, NDArray[np.float32]]:
    """Return the named float32 tensors.

    Args:
        path: safetensors file.
        shapes: of each tensor, a letter per dim; the same letter stands for the same size, `1` and `2` for one and two.

    Raises:
        BundleFault: the file is damaged, lacks one of them, has it in another shape, or holds values that are not finite.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BundleFault(say("{path}: unreadable: {reason}", path=path, reason=error)) from error
    sizes = {"1": 1, "2": 2}
    for name, letters in shapes.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise BundleFault(say("{path}: tensor '{name}' is missing, not float32 or not finite", path=path, name=name))
        fits = len(letters) == tensor.ndim and 0 not in tensor.shape
        if not fits or any(sizes.setdefault(letter, size) != size for letter, size in zip(letters, tensor.shape, strict=True)):
            raise BundleFault(say("{path}: tensor '{name}' does not fit the others", path=path, name=name))
    return tensors
