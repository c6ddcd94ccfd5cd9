"""What every model family is: padded token numbers in, class scores out, with a folder to live in.

Shape letters: B batch, S sequence, C classes.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smelt.errors import BundleFault
from smelt.language import say

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class Network(nn.Module):
    """A module that scores texts. Padding never changes a score.

    The families below it add `forward(ids_BS, mask_BS) -> scores_BC`: ids int64, mask int64 with 1 for tokens and 0 for padding.
    """

    family: str
    sizes: "DataclassInstance"
    """Frozen dataclass of JSON values from which the same module is built again."""

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """Return class scores, shape (B, C)."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write weights and sizes into an existing folder: safetensors and JSON."""
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps({"smelt_family": self.family, "sizes": asdict(self.sizes)}, indent=2), encoding="utf-8")


def read_weights(module: nn.Module, folder: Path) -> None:
    """Fill a module from `model.safetensors`.

    Raises:
        BundleFault: the file is damaged, names or shapes differ, or a number is not finite.
    """
    try:
        module.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, OSError, SafetensorError) as error:
        raise BundleFault(say("{folder}: the weights do not fit the configuration: {reason}", folder=folder, reason=error)) from error
    check_finite(module, folder)


def check_finite(module: nn.Module, folder: Path) -> None:
    """Refuse weights that hold nan or infinity.

    Raises:
        BundleFault: names the tensor.
    """
    broken = [name for name, tensor in module.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise BundleFault(say("{folder}: {name} holds numbers that are not finite", folder=folder, name=broken[0]))
