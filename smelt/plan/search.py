"""All legal layouts, held against memory first and against the clock then: which is fastest, and why the others lost."""

from dataclasses import dataclass, replace
from typing import Any

from smelt.errors import UsageFault
from smelt.language import say
from smelt.plan.constants import Constants
from smelt.plan.layout import Layout
from smelt.plan.legal import faults, layouts
from smelt.plan.memory import Fit, Memory, fit
from smelt.plan.question import Question
from smelt.plan.step import Estimator, Step

MOST = 200_000
"""Layouts of one search."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One layout with its time and its fullest rank."""

    layout: Layout
    step: Step
    fullest: Memory
    fit: Fit

    @property
    def seconds(self) -> float:
        """Of one step."""
        return self.step.seconds


@dataclass(frozen=True, slots=True)
class Lost:
    """A mesh that is not the fastest: its best layout, and the main reason."""

    plan: Plan
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search over one number of accelerators found. `best` is None where nothing fits; `leanest` needs the least memory."""

    count: int
    best: Plan | None
    runners_up: tuple[Plan, ...]
    lost: tuple[Lost, ...]
    leanest: Plan
    considered: int
    too_large: int
    estimator: Estimator


def search(question: Question, constants: Constants) -> Found:
    """Try every legal layout on the question's cluster.

    A layout that fits with room for the error of the estimate goes before one that barely fits; among those the fastest is best.

    Raises:
        UsageFault: no layout is legal; the message names the nearest and what forbids it.
    """
    cluster = question.cluster
    estimator = Estimator(question.shape, question.work, cluster, question.software, constants)
    fitting: list[Plan] = []
    leanest: tuple[float, Layout] | None = None
    considered = too_large = 0
    roomy: Layout | None = None
    over: dict[tuple[int, int, int], tuple[float, Layout]] = {}
    for layout in layouts(question.shape, question.work, cluster.count, fixed=question.fixed, flash=question.software.flash):
        considered += 1
        if considered > MOST:
            break
        if roomy and layout.recompute != "none" and replace(layout, recompute="none") == roomy:
            continue  # it fits without computing anything again
        fullest = max(estimator.memory(layout), key=lambda each: each.total)
        if leanest is None or fullest.total < leanest[0]:
            leanest = fullest.total, layout
        verdict = fit(fullest.total / cluster.share, cluster.accelerator)
        if verdict is Fit.TOO_LARGE:
            too_large += 1
            least = over.get(_mesh(layout))
            if least is None or fullest.total < least[0]:
                over[_mesh(layout)] = fullest.total, layout
            continue
        roomy = layout if verdict is not Fit.TIGHT and layout.recompute == "none" else roomy
        fitting.append(Plan(layout, estimator.step(layout), fullest, verdict))
    if leanest is None:
        raise _nothing_legal(question)
    fitting.sort(key=lambda plan: (plan.fit is Fit.TIGHT, plan.seconds))
    best = fitting[0] if fitting else None
    never = [plan_of(estimator, layout) for _, layout in over.values()]
    return Found(
        count=cluster.count, best=best, runners_up=tuple(fitting[1:10]), lost=tuple(_lost(best, fitting, never)) if best else (),
        leanest=plan_of(estimator, leanest[1]), considered=considered, too_large=too_large, estimator=estimator,
    )  # fmt: skip


def plan_of(estimator: Estimator, layout: Layout) -> Plan:
    """Return time and memory of one layout."""
    fullest = max(estimator.memory(layout), key=lambda each: each.total)
    return Plan(layout, estimator.step(layout), fullest, fit(fullest.total / estimator.cluster.share, estimator.cluster.accelerator))


def _lost(best: Plan, fitting: list[Plan], over: list[Plan]) -> list[Lost]:
    """The best layout of other meshes, fastest first, with what it loses by, and the leanest of some meshes that never fit."""
    seen = {_mesh(best.layout)}
    found: list[Lost] = []
    for plan in fitting[1:]:
        if _mesh(plan.layout) not in seen:
            seen.add(_mesh(plan.layout))
            found.append(Lost(plan, _reason(best, plan)))
    too_large = [Lost(plan, _reason(best, plan)) for plan in over if _mesh(plan.layout) not in seen]
    return [*sorted(found, key=_seconds)[:9], *sorted(too_large, key=_seconds)[:3]]


def _seconds(lost: Lost) -> float:
    return lost.plan.seconds


def _mesh(layout: Layout) -> tuple[int, int, int]:
    return layout.tensor, layout.pipeline, layout.context


def _reason(best: Plan, plan: Plan) -> str:
    if plan.fit is Fit.TOO_LARGE:
        return say("memory: {gb:.0f} GB at the least", gb=plan.fullest.total / 1e9)
    if plan.fit is Fit.TIGHT and best.fit is not Fit.TIGHT:
        return say("memory is tight: {gb:.0f} GB", gb=plan.fullest.total / 1e9)
    more = {name: plan.step.parts.get(name, 0.0) - best.step.parts.get(name, 0.0) for name in plan.step.parts}
    name = max(more, key=lambda each: more[each])
    words = {
        "compute": say("smaller products"), "recompute": say("computes activations again to fit"),
        "tensor": say("tensor neighbors exchange more"),
        "stall": say("waits more: host, gathers, uneven stages"), "bubble": say("pipeline bubble"), "data": say("replicas exchange more"),
        "optimizer": say("longer optimizer step"), "fixed": say("longer optimizer step"),
    }  # fmt: skip
    share = 100.0 * more[name] / best.seconds
    return say("{why}: +{share:.1f} % of a step", why=words[name], share=share)


def _nothing_legal(question: Question) -> UsageFault:
    """Say what forbids the plainest layout that agrees with what is given."""
    count, batch = question.cluster.count, question.work.batch
    names = {"tensor", "pipeline", "context", "data", "micro_batch", "virtual", "expert", "sharding"}
    known: dict[str, Any] = {name: value for name, value in question.fixed.items() if isinstance(value, int | str) and name in names}
    layout = replace(Layout(), **known)
    if "data" not in known:
        layout = replace(layout, data=max(1, count // (layout.tensor * layout.pipeline * layout.context)))
    found = faults(layout, question.shape, question.work, count)
    reasons = "\n    ".join(found) or say("nothing of what is given goes together")
    shares = [str(n) for n in range(1, min(batch, count, 10**6) + 1) if batch % n == 0]
    few = ", ".join(shares if len(shares) <= 20 else [*shares[:19], "…"])
    step = say("Batch {batch} can be shared by {counts} replicas.", batch=batch, counts=few)
    return UsageFault(say("no layout of {count} accelerators is legal:\n    {reasons}", count=count, reasons=reasons), step=step)
