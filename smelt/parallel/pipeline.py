"""One optimizer step's forward and backward passes: piece after piece through a whole network, or through the stages of a pipeline.

Shape letters: B batch, S sequence, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
)
from torch.distributed.pipelining.schedules import _PipelineSchedule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from smelt.models.network import Network
from smelt.parallel.world import PIPELINE, World

_SCHEDULES = {
    "gpipe": ScheduleGPipe, "1f1b": Schedule1F1B, "interleaved": ScheduleInterleaved1F1B, "zero_bubble": ScheduleInterleavedZeroBubble,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """Some examples of a batch."""

    ids_BS: Tensor
    mask_BS: Tensor
    loss: Callable[[Network], Tensor]
    """Calls a network on them, and weighs what it answers."""


def work_off(network: Network, pieces: Sequence[Piece], world: World) -> Tensor:
    """Take a batch's pieces forward and backward; gradients are summed over them.

    Args:
        network: as `place` returned it.
        pieces: this process's share of the batch; each loss is weighed by its part of the whole batch.
        world: gradients will be averaged over its readers, so each loss is multiplied by their number.

    Returns:
        The sum of the losses; 0 where the last stage is not.
    """
    if isinstance(network, Staged):
        return network.learn(pieces)
    total = torch.zeros((), device=pieces[0].ids_BS.device)
    for number, piece in enumerate(pieces):
        with _collecting(network, last=number == len(pieces) - 1):
            value = piece.loss(network)
            with torch.autocast(value.device.type, enabled=False):
                (value * world.readers).backward()
        total += value.detach()
    return total


def answer(network: Network, ids_BS: Tensor, mask_BS: Tensor, *asked: Tensor) -> Tensor | None:
    """Return the scores of a batch, as the network does; None where the last stage is not."""
    return network.score(ids_BS, mask_BS, *asked) if isinstance(network, Staged) else network(ids_BS, mask_BS, *asked)


@contextmanager
def _collecting(network: nn.Module, *, last: bool) -> Iterator[None]:
    """Send gradients after the last piece of a batch only."""
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(last)
    held = network.no_sync() if isinstance(network, DistributedDataParallel) and not last else nullcontext()
    with held:
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What goes from stage to stage, and what comes out."""

    width: int
    """Of the states."""
    scores: int
    """Classes, or tokens of the vocabulary."""
    per_token: bool = False
    """Whether every token has scores, or every example."""
    multiple: int = 1
    """Of this, examples have so many tokens."""
    tied: bool = False
    """Whether tokens are read and scored by one matrix: then the first and the last stage hold a copy each, and add up its gradients."""


class Staged(nn.Module):
    """A network whose stages lie in several processes. All of them learn, or score, at once."""

    def __init__(self, network: Network, stages: Sequence[nn.Module], world: World, shape: Shape) -> None:
        """Take what is left of the network here, and this process's stages."""
        super().__init__()
        assert world.mesh is not None
        self.network = network
        self._stages, self._world = list(stages), world
        self._shape = shape
        self._group = world.mesh[PIPELINE].get_group()

    def learn(self, pieces: Sequence[Piece]) -> Tensor:
        """Take the pieces through all stages, forward and backward; return the sum of the losses, 0 where the last stage is not."""
        world, rows = self._world, max(len(piece.ids_BS) for piece in pieces)
        losses: list[Tensor] = []

        def loss(scores: Tensor, places: Tensor) -> Tensor:
            piece = pieces[int(places[0]) // rows]
            return piece.loss(cast("Network", lambda *given: self._own(scores, *given))) * world.readers

        ids, mask = self._even([piece.ids_BS for piece in pieces]), self._even([piece.mask_BS for piece in pieces])
        words: dict = {"target": torch.arange(len(ids), device=ids.device)} if self._holds_last else {}
        schedule = self._schedule(len(pieces), (rows, ids.shape[1]), loss)
        schedule.step(*self._given(ids), mask_BS=mask, losses=losses, **words)
        if self._shape.tied:
            self._add_up_twins()
        return torch.stack(losses).sum().detach() / world.readers if losses else torch.zeros((), device=ids.device)

    def score(self, ids_BS: Tensor, mask_BS: Tensor, *asked: Tensor) -> Tensor | None:
        """Take a batch through all stages; return its scores, as the network does, where the last stage is."""
        count, pieces = min(len(ids_BS), self._world.section.pieces), self._world.section.pieces
        parts, masks = ([*tensor.tensor_split(count), *[tensor[:1]] * (pieces - count)] for tensor in (ids_BS, mask_BS))
        ids, mask = self._even(parts), self._even(masks)
        rows = len(ids) // pieces
        scores = self._schedule(pieces, (rows, ids.shape[1]), None).eval(*self._given(ids), mask_BS=mask)
        if not self._holds_last:
            return None
        whole = torch.cat([self._own(found, part, part) for found, part in zip(scores.split(rows), parts[:count], strict=False)])
        return whole[asked[0]] if asked else whole

    def _own(self, scores: Tensor, ids_BS: Tensor, _mask_BS: Tensor, asked_BS: Tensor | None = None) -> Tensor:
        """Return the scores of these examples without what they were padded with, and only of the tokens asked for."""
        if not self._shape.per_token:
            return scores[: len(ids_BS)]
        own = scores[: len(ids_BS), : ids_BS.shape[1]]
        return own if asked_BS is None else own[asked_BS]

    @property
    def twin(self) -> nn.Parameter | None:
        """The last stage's copy of a matrix that the first stage holds too; None elsewhere."""
        if not (self._shape.tied and self._holds_last):
            return None
        return self._stages[-1].hugging_face.get_output_embeddings().weight  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    def _add_up_twins(self) -> None:
        """Give both copies of a tied matrix the sum of their gradients."""
        first, last = self._world.stage == 0, self._holds_last
        if not (first or last):
            return
        own = self._stages[0].hugging_face.get_input_embeddings().weight if first else self.twin  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        assert isinstance(own, nn.Parameter)
        assert own.grad is not None
        mine = own.grad.to_local() if isinstance(own.grad, DTensor) else own.grad
        other, peer = torch.empty_like(mine), dist.get_global_rank(self._group, self._world.section.pipeline - 1 if first else 0)
        sending, receiving = (dist.P2POp(way, one, peer, self._group) for way, one in ((dist.isend, mine.clone()), (dist.irecv, other)))
        for work in dist.batch_isend_irecv([sending, receiving]):
            work.wait()
        mine.copy_(mine + other if first else other + mine)

    @property
    def _holds_last(self) -> bool:
        return self._world.stage == self._world.section.pipeline - 1

    def _given(self, ids: Tensor) -> tuple[Tensor, ...]:
        return (ids,) if self._world.stage == 0 else ()

    def _even(self, parts: Sequence[Tensor]) -> Tensor:
        """Give all parts the rows and the length of the largest, and put them one below the other."""
        rows, length = max(len(part) for part in parts), max(part.shape[1] for part in parts)
        return torch.cat([_padded(part, rows, length + -length % self._shape.multiple) for part in parts])

    def _schedule(self, pieces: int, shape: tuple[int, int], loss: Callable[[Tensor, Tensor], Tensor] | None) -> _PipelineSchedule:
        """Return a schedule for pieces of one shape: stages send each other tensors whose shapes they know beforehand."""
        section, count = self._world.section, self._world.section.stages
        states = torch.empty(*shape, self._shape.width, device="meta")
        scored, stages = shape if self._shape.per_token else shape[:1], []
        for place, stage in enumerate(self._stages):
            number = self._world.stage + place * section.pipeline
            given = torch.empty(*shape, dtype=torch.int64, device="meta") if number == 0 else states.clone().requires_grad_()
            last = number == count - 1
            answer = torch.empty(*scored, self._shape.scores, device="meta") if last else states.clone()
            stages.append(
                PipelineStage(
                    stage, number, count, self._world.device, input_args=(given,), output_args=(answer.requires_grad_(),), group=self._group
                )
            )
        kind = _SCHEDULES[section.pipeline_schedule]
        return kind(stages if len(stages) > 1 else stages[0], pieces, loss_fn=loss, scale_grads=False)


def _padded(tensor: Tensor, rows: int, length: int) -> Tensor:
    """Repeat the first row below, add zeros at the right."""
    tall = torch.cat([tensor, tensor[:1].expand(rows - len(tensor), -1)])
    return nn.functional.pad(tall, (0, length - tall.shape[1]))
