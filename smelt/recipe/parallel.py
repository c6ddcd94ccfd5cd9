"""`parallel:` over how many processes the reference is trained. `launch:` who starts them."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.section import Count, Section


class Parallel(Section):
    """How the training of the reference is spread. Neither the batches nor their order depend on it."""

    replicate: Count = 1
    """Copies of the model; each process of a copy works on its share of every batch."""
    shard: Count = 1
    """Processes that split the parameters, gradients and optimizer state of a copy between them; they share the batch like copies."""
    tensor: Count = 1
    """Processes that split the heads and feed-forward columns of every layer between them; they read the same examples."""
    microbatches: Count = 1
    """Pieces in which a process works off its share of a batch, one after the other: less memory, the same gradient."""
    sync_every: Count = 1
    """Optimizer steps between meetings of the copies. Above 1 each copy learns by itself in between, and their weights are averaged: less
    to send, another result."""

    @property
    def processes(self) -> int:
        """How many there are."""
        return self.replicate * self.shard * self.tensor

    @property
    def readers(self) -> int:
        """How many shares a batch has."""
        return self.replicate * self.shard

    @field_validator("sync_every")
    @classmethod
    def _copies_are_whole(cls, steps: int, info: ValidationInfo) -> int:
        if steps > 1 and max(info.data.get("shard", 1), info.data.get("tensor", 1)) > 1:
            raise ValueError(say("above 1 needs whole copies: take shard: 1 and tensor: 1, or sync_every: 1"))
        return steps


class LocalLaunch(Section):
    """smelt starts the processes on this machine; they meet in a file and on the loopback interface."""

    kind: Literal["local"] = "local"
    restarts: Annotated[int, Field(ge=0)] = 3
    """How often all processes are started again, from the last checkpoint, after one of them has died."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    """After so long without an answer of the others a process gives up."""


class TorchrunLaunch(Section):
    """torchrun, Slurm or Kubernetes starts this command once per process; see docs/parallel.md. All see the same run folder."""

    kind: Literal["torchrun"] = "torchrun"
    timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    """After so long without an answer of the others a process gives up."""


LaunchSection = Annotated[LocalLaunch | TorchrunLaunch, Field(discriminator="kind")]
