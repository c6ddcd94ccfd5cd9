"""`parallel:` over how many processes the reference is trained. `launch:` who starts them."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.section import Count, Section


class Parallel(Section):
    """How the training of the reference is spread. Neither the batches nor their order depend on it."""

    replicate: Count | Literal["auto"] = 1
    """Copies of the model; each process of a copy works on its share of every batch. `auto`: as many as processes were started for, so
    that a job which torchrun starts again with fewer or more machines (`--nnodes=1:4`) goes on."""
    shard: Count = 1
    """Processes that split the parameters, gradients and optimizer state of a copy between them; they share the batch like copies."""
    tensor: Count = 1
    """Processes that split the heads and feed-forward columns of every layer between them; they read the same examples."""
    sequence: bool = False
    """Whether processes that split matrices split the states between them by token too, for norms and sums: less memory, as much sent."""
    pipeline: Count = 1
    """Processes that each hold some consecutive layers; pieces of a batch pass from one to the next."""
    pipeline_schedule: Literal["gpipe", "1f1b", "interleaved", "zero_bubble"] = "1f1b"
    """In which order a process takes its pieces forward and backward. Interleaved and zero-bubble ones have two stages per process."""
    microbatches: Count | Literal["auto"] = "auto"
    """Pieces in which a process works off its share of a batch, one after the other: less memory, the same gradient. `auto`: 1, or
    twice as many as there are stages."""

    sync_every: Count = 1
    """Optimizer steps between meetings of the copies. Above 1 each copy learns by itself in between, and their weights are averaged: less
    to send, another result."""

    @field_validator("sequence")
    @classmethod
    def _states_are_split_between_matrices(cls, sequence: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  a value
        if sequence and info.data.get("tensor", 1) == 1:
            raise ValueError(say("needs processes that split matrices; want tensor of 2 or more, or sequence: false"))
        return sequence

    @field_validator("pipeline_schedule")
    @classmethod
    def _halves_of_a_backward_pass_are_not_averaged(cls, schedule: str, info: ValidationInfo) -> str:
        if schedule == "zero_bubble" and (info.data.get("replicate", 1) != 1 or info.data.get("shard", 1) > 1):
            raise ValueError(say("zero_bubble goes with replicate and shard of 1; want gpipe, 1f1b or interleaved"))
        return schedule

    @field_validator("microbatches")
    @classmethod
    def _fill_the_pipeline(cls, pieces: int | Literal["auto"], info: ValidationInfo) -> int | Literal["auto"]:
        pipeline = info.data.get("pipeline", 1)
        if pieces != "auto" and pipeline > 1 and pieces % pipeline:
            raise ValueError(
                say(
                    "{pieces} pieces do not fill a pipeline of {pipeline}; want a multiple of it, or auto", pieces=pieces, pipeline=pipeline
                )
            )
        return pieces

    @property
    def processes(self) -> int:
        """How many there are."""
        return self.copies * self.shard * self.tensor * self.pipeline

    @property
    def copies(self) -> int:
        """Of the model; 1 as long as nobody knows."""
        return 1 if self.replicate == "auto" else self.replicate

    def of(self, processes: int) -> "Parallel":
        """Return the same with as many copies as so many processes hold, where that is left open."""
        return self.model_copy(update={"replicate": max(1, processes // self.processes)}) if self.replicate == "auto" else self

    @property
    def stages(self) -> int:
        """Of the pipeline, 1 without one."""
        return self.pipeline * (2 if self.pipeline > 1 and self.pipeline_schedule in ("interleaved", "zero_bubble") else 1)

    @property
    def pieces(self) -> int:
        """In which a share of a batch is worked off."""
        if self.microbatches != "auto":
            return self.microbatches
        return 1 if self.pipeline == 1 else 2 * self.stages

    @property
    def readers(self) -> int:
        """How many shares a batch has."""
        return self.copies * self.shard

    @field_validator("sync_every")
    @classmethod
    def _copies_are_whole(cls, steps: int, info: ValidationInfo) -> int:
        if steps > 1 and max(info.data.get(degree, 1) for degree in ("shard", "tensor", "pipeline")) > 1:
            raise ValueError(say("above 1 needs whole copies: take shard, tensor and pipeline of 1, or sync_every: 1"))
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


class RayLaunch(Section):
    """Ray Train places the processes on a cluster and starts them again; students run there as tasks. All nodes see the same run folder."""

    kind: Literal["ray"]
    address: Annotated[str, Field(min_length=1)] = "local"
    """`local`: a cluster of this machine, which ends with the command; `auto`: the one that this machine is part of; or its address."""
    fewest: Count | Literal["all"] = "all"
    """With how many processes training may go on when nodes are lost; `all` waits until there are as many as `parallel` asks for."""
    threads: Count = 1
    """CPUs of each process."""
    restarts: Annotated[int, Field(ge=0)] = 3
    """How often all processes are started again, from the last checkpoint, after one of them has died."""
    resize_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often Ray looks whether more processes have room now."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    """After so long without an answer of the others a process gives up."""


LaunchSection = Annotated[LocalLaunch | TorchrunLaunch | RayLaunch, Field(discriminator="kind")]
