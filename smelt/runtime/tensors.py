"""Read matrices from safetensors and refuse what a session could not use."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from smelt.errors import BundleFault
from smelt.language import say


def read_tensors(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return the named float32 tensors.

    Raises:
        BundleFault: the file is damaged, lacks one of them, or holds values that are not finite.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BundleFault(say("{path}: unreadable: {reason}", path=path, reason=error)) from error
    for name in names:
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise BundleFault(say("{path}: tensor '{name}' is missing, not float32 or not finite", path=path, name=name))
    return tensors
