"""What every model family is: padded token numbers in, class scores out, with a folder to live in.

Shape letters: B batch, S sequence, C classes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
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

    def head(self) -> list[nn.Parameter]:
        """Return what is not pretrained where the rest is; by default everything."""
        return list(self.parameters())

    def blocks(self) -> Sequence[nn.Module]:
        """Return the parts that follow one another and hold most parameters: the units of sharding. By default none."""
        return ()

    def token_tables(self) -> list[nn.Embedding]:
        """Return the tables that have one row per token."""
        return [module for module in self.modules() if isinstance(module, nn.Embedding)]

    def keep_tokens(self, kept_U: Tensor) -> None:
        """Throw out the rows of all other tokens, in place; token number `kept_U[i]` becomes i. The numbers rise."""
        for table in self.token_tables():
            table.weight = nn.Parameter(table.weight.detach()[kept_U].clone(), requires_grad=table.weight.requires_grad)
            table.num_embeddings = len(kept_U)
            if table.padding_idx is not None:
                table.padding_idx = int(torch.searchsorted(kept_U, table.padding_idx))
        if hasattr(self, "sizes"):
            self.sizes = replace(self.sizes, vocabulary=len(kept_U))  # pyright: ignore[reportCallIssue]  every family's sizes have it

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
