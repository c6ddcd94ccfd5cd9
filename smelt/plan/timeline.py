"""A step of a pipeline, played through: which stage works on which micro-batch when.

Sources: GPipe, Huang et al. 2019, arXiv 1811.06965; 1F1B and its interleaved form, Narayanan et al. 2021, arXiv 2104.04473, section 2.2;
zero bubble (H1), Qi et al. 2023, arXiv 2401.10241.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["forward", "backward", "weights"]

MOST_PIECES = 100_000
"""Pieces that are played at most; of longer steps the middle, which repeats itself, is left out."""
_SHORTEST = 1e-12


@dataclass(frozen=True, slots=True)
class Piece:
    """What a stage does without a break, in seconds from the start of the step.

    `part`: which of its stages a rank with several works on. `weights` is the half of a backward that a zero-bubble schedule puts off.
    """

    stage: int
    kind: Kind
    micro: int
    part: int
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A step without its exchange of gradients and its optimizer. `skipped`: micro-batches of the middle that were not played."""

    pieces: tuple[Piece, ...]
    stages: int
    micro_batches: int
    skipped: int
    seconds: float
    busy: float
    """Share of all stages' time that is work."""


def play(stages: Sequence[float], micro_batches: int, schedule: str, virtual: int = 1) -> Timeline:
    """Play a schedule through.

    A stage's forward of a micro-batch waits for that of the stage before it, its backward for that of the stage behind it.

    Args:
        stages: seconds of one micro-batch on each stage: a third is forward, the rest backward; split evenly over `virtual`.
        micro_batches: of one step; a multiple of the stages where they interleave.
        schedule: `gpipe`, `1f1b`, `interleaved` or `zero_bubble`.
        virtual: stages that each rank has.
    """
    played = _played(len(stages), micro_batches, virtual)
    skipped = micro_batches - played
    pieces = _Play(stages, played, schedule, virtual).pieces()
    if skipped:
        pieces = [_later(piece, skipped, late=piece.micro >= played // 2, once=schedule == "gpipe", times=stages) for piece in pieces]
    seconds = max(piece.end for piece in pieces)
    return Timeline(
        pieces=tuple(pieces), stages=len(stages), micro_batches=micro_batches, skipped=skipped, seconds=seconds,
        busy=micro_batches * sum(stages) / (len(stages) * seconds) if seconds else 1.0,
    )  # fmt: skip


def _played(stages: int, micro_batches: int, virtual: int) -> int:
    """Whole rounds over the stages, enough for the pipeline to fill up and to run empty."""
    rounds = max(8, MOST_PIECES // (2 * stages * stages * virtual))
    return min(micro_batches, rounds * stages)


def _later(piece: Piece, skipped: int, *, late: bool, once: bool, times: Sequence[float]) -> Piece:
    """Make room for the skipped micro-batches. `once`: all forwards come before all backwards, each at the pace of the slowest so far."""
    time = late * skipped * max(times)
    if once and piece.kind == "forward":
        time = late * skipped * max(times[: piece.stage + 1]) / 3.0
    elif once:
        time = skipped * (max(times) + late * 2.0 * max(times[piece.stage :])) / 3.0
    return replace(piece, micro=piece.micro + late * skipped, start=piece.start + time, end=piece.end + time)


def shown(stages: int, micro_batches: int, virtual: int) -> int:
    """Return how many of the first, and of the last, micro-batches a picture has room for: at most 12."""
    room = max(4, 12 - stages) if virtual == 1 else min(12, stages * max(1, 4 // stages))
    return min(room, -(-micro_batches // 2))


def windows(timeline: Timeline, ends: int) -> list[tuple[float, float]]:
    """Return the times, in order, in which the first or the last `ends` micro-batches are worked on; short breaks are kept."""
    found: list[tuple[float, float]] = []
    spans = sorted((piece.start, piece.end) for piece in timeline.pieces if outer(piece, timeline, ends))
    for start, end in spans:
        if found and start - found[-1][1] <= timeline.seconds / 12:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def outer(piece: Piece, timeline: Timeline, ends: int) -> bool:
    """Is it of the first or the last `ends` micro-batches?"""
    return piece.micro < ends or piece.micro >= timeline.micro_batches - ends


Task = tuple[Kind, int, int]
"""Kind, micro-batch and part."""


def order(stage: int, stages: int, micro_batches: int, schedule: str, virtual: int) -> Iterator[Task]:
    """Yield what a stage does, in order: some forwards to fill the pipeline, then one backward and one forward in turn."""
    total = micro_batches * virtual
    ahead = {"gpipe": total, "interleaved": (virtual - 1) * stages + 2 * (stages - 1 - stage) + 1}.get(schedule, stages - stage)
    ahead = min(total, ahead)
    turns = [_turn(number, stages, virtual) for number in range(total)]
    for micro, part in turns[:ahead]:
        yield "forward", micro, part
    for number, (micro, part) in enumerate(turns):
        yield "backward", micro, virtual - 1 - part
        if ahead + number < total:
            yield "forward", *turns[ahead + number]


def _turn(number: int, stages: int, virtual: int) -> tuple[int, int]:
    """Interleaved stages take as many micro-batches as there are stages through one part, then through the next."""
    if virtual == 1:
        return number, 0
    whole, rest = divmod(number, stages * virtual)
    return whole * stages + rest % stages, rest // stages


class _Play:
    """The state of all stages."""

    def __init__(self, stages: Sequence[float], micro_batches: int, schedule: str, virtual: int) -> None:
        """Everything is still to do."""
        self.times, self.virtual, self.count = [time / virtual for time in stages], virtual, len(stages)
        self.split = schedule == "zero_bubble"
        self.queues = [list(order(stage, self.count, micro_batches, schedule, virtual))[::-1] for stage in range(self.count)]
        self.clocks = [0.0] * self.count
        self.ends: dict[tuple[int, Task], float] = {}
        self.put_off: list[list[Task]] = [[] for _ in stages]
        self.held = [0] * self.count
        self.done: list[Piece] = []

    def pieces(self) -> list[Piece]:
        """Work until nothing is left."""
        while any(self.queues):
            moved = [self._work(stage) for stage in range(self.count)]
            assert any(moved), "the stages wait for each other"
        for stage in range(self.count):
            while self.put_off[stage]:
                self._do(stage, self.put_off[stage].pop(0))
        return self.done

    def _work(self, stage: int) -> bool:
        """Do what can be done; say whether that was anything."""
        queue, before = self.queues[stage], len(self.done)
        while queue and (ready := self._ready(stage, queue[-1])) is not None:
            self._fill(stage, ready, queue[-1][0])
            self.clocks[stage] = max(self.clocks[stage], ready)
            self._do(stage, queue.pop())
        return len(self.done) > before

    def _ready(self, stage: int, task: Task) -> float | None:
        """When what a task waits for is there; None while that is unknown."""
        kind, micro, part = task
        step = -1 if kind == "forward" else 1
        end = 0 if kind == "forward" else self.count - 1
        if stage != end:
            return self.ends.get((stage + step, task))
        if 0 <= part + step < self.virtual:
            return self.ends.get((self.count - 1 - end, (kind, micro, part + step)))
        return 0.0 if kind == "forward" else self.ends.get((stage, ("forward", micro, part)))

    def _fill(self, stage: int, ready: float, kind: Kind) -> None:
        """Do what was put off while there is nothing else to do, or where too many activations are held."""
        waiting, time = self.put_off[stage], self.times[stage] / 3.0
        while waiting and (
            self.clocks[stage] + time <= ready + _SHORTEST or (kind == "forward" and self.held[stage] >= self.count)
        ):  # fmt: skip
            self._do(stage, waiting.pop(0))

    def _do(self, stage: int, task: Task) -> None:
        kind, micro, part = task
        start = self.clocks[stage]
        thirds = 2.0 if kind == "backward" and not self.split else 1.0
        end = start + self.times[stage] * thirds / 3.0
        self.clocks[stage] = self.ends[stage, task] = end
        self.done.append(Piece(stage, kind, micro, part, start, end))
        self.held[stage] += {"forward": 1, "backward": 0, "weights": -1}[kind]
        if self.split and kind == "backward":
            self.put_off[stage].append(("weights", micro, part))
