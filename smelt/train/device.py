"""Which device trains. Everything else, timing and certifying above all, happens on the CPU, where bundles run."""

from typing import Literal

import torch
from torch import nn

from smelt.errors import EnvironmentFault
from smelt.language import say


def find_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device to train on.

    Raises:
        EnvironmentFault: a GPU is asked for and torch finds none.
    """
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise EnvironmentFault(
            say("train.device: torch {version} finds no GPU that CUDA can use", version=torch.__version__),
            step=say("Take device: auto, or install a build of torch for your GPU: see the Makefile."),
        )
    return torch.device("cuda" if found and wanted != "cpu" else "cpu")


def device_of(network: nn.Module) -> torch.device:
    """Return where a network's parameters are."""
    return next(network.parameters()).device
