"""Tensors that are spread over processes, in a folder of safetensors: each process writes what it holds, any other number reads it.

torch's distributed checkpoint does the work. The header of each file says which part of which tensor it holds.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save


def write_tensors(tensors: Mapping[str, Tensor], folder: Path, group: dist.ProcessGroup | None) -> None:
    """Write into an existing folder. All processes of the group call it; what several have in full is written once.

    Args:
        tensors: this process's, by name.
        folder: the same for all.
        group: None for a process alone.

    Raises:
        OSError: what went wrong in the first process in which something did.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save(dict(tensors), storage_writer=writer, process_group=group, no_dist=group is None)
    except CheckpointException as error:
        for failure, _ in error.failures.values():
            raise failure from error
        raise


def stored_tensors(folder: Path) -> dict[str, Tensor]:
    """Return a tensor without content for each one that stands in a folder, in full: its shape and its type."""
    metadata = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {
        name: torch.empty(facts.size, dtype=facts.properties.dtype, device="meta")
        for name, facts in metadata.items()
        if isinstance(facts, TensorStorageMetadata)
    }


def fill_tensors(places: dict[str, Tensor], folder: Path, group: dist.ProcessGroup | None) -> None:
    """Fill tensors, which may be spread in any way, from a folder. All processes of the group call it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(places, storage_reader=HuggingFaceStorageReader(str(folder)), process_group=group, no_dist=group is None)


def read_whole(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a folder in full, on the CPU."""
    places = {name: torch.empty_like(one, device="cpu") for name, one in stored_tensors(folder).items()}
    fill_tensors(places, folder, None)
    return places
