"""The whole answer to a question: the fastest layout, the cheapest and smallest clusters, what would change it, and what failures cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from smelt.errors import UsageFault
from smelt.language import say
from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants
from smelt.plan.failures import Failures, failures
from smelt.plan.memory import Fit
from smelt.plan.question import Question
from smelt.plan.search import MOST, Found, Plan, search


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One number of accelerators with its fastest layout.

    Hours are of the whole run, without failures; `cost` is in the currency of the price.
    """

    count: int
    plan: Plan
    hours: float
    accelerator_hours: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """One change of the question and what it does to the step: `share` is its new time over the old, None where nothing fits any more."""

    name: str
    plan: Plan | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything that is printed, drawn or written.

    `offers` are the numbers of accelerators up to the question's, `pareto` those of them worth a thought.
    """

    question: Question
    found: Found
    offers: tuple[Offer, ...]
    pareto: tuple[Offer, ...]
    cheapest: Offer | None
    smallest: Offer | None
    what_if: tuple[WhatIf, ...]
    failures: Failures | None
    warnings: tuple[str, ...]


def answer(question: Question, constants: Constants, *, what_if: bool = False) -> Answer:
    """Search, on the cluster and on smaller ones, and put the answer together.

    Raises:
        UsageFault: no layout of the cluster is legal.
    """
    found = search(question, constants)
    offers = [offer for offer in (_offer(question.on(count), constants) for count in _counts(question)) if offer]
    within = [each for each in offers if not question.deadline_hours or each.hours <= question.deadline_hours]
    return Answer(
        question=question, found=found, offers=tuple(offers), pareto=tuple(_pareto(offers)),
        cheapest=min(within, key=lambda each: (each.accelerator_hours, each.hours), default=None),
        smallest=min(within, key=lambda each: each.count, default=None) if question.deadline_hours else None,
        what_if=tuple(_what_if(question, constants, found.best)) if what_if and found.best else (),
        failures=_failures(question, found.best) if found.best and question.steps else None,
        warnings=tuple(_warnings(question, found, late=bool(offers) and not within)),
    )  # fmt: skip


def _counts(question: Question) -> list[int]:
    """Powers of two within a node, then the node and its doubles, below the cluster; and the cluster."""
    most, node = question.cluster.count, question.cluster.per_node
    counts = [most]
    number = 1
    while number < most:
        counts.append(number)
        number = node if number < node < 2 * number else 2 * number
    return sorted(counts)


def _offer(question: Question, constants: Constants) -> Offer | None:
    try:
        best = search(question, constants).best
    except UsageFault:
        return None  # this number of accelerators cannot share the batch
    if best is None:
        return None
    hours = best.seconds * max(1, question.steps) / 3600.0
    spent = hours * question.cluster.count
    return Offer(
        count=question.cluster.count, plan=best, hours=hours, accelerator_hours=spent, cost=spent * question.cluster.price_per_hour
    )


def _pareto(offers: list[Offer]) -> list[Offer]:
    """Those that no other beats in time and in accelerator hours at once."""
    return [
        each for each in offers
        if not any(other.hours < each.hours and other.accelerator_hours <= each.accelerator_hours for other in offers)
    ]  # fmt: skip


def _failures(question: Question, best: Plan) -> Failures:
    weights = question.shape.weights
    size = weights * (12 if question.work.precision == "fp32" else 14)
    return failures(
        best.seconds * question.steps, count=question.cluster.count, hours_between=question.hours_between_failures,
        save=size / (question.storage_gbps * 1e9),
    )  # fmt: skip


def _what_if(question: Question, constants: Constants, best: Plan | None) -> list[WhatIf]:
    if best is None:
        return []
    changes: list[tuple[str, Callable[[Question], Question]]] = [
        (say("twice the accelerators"), lambda asked: asked.on(2 * asked.cluster.count)),
        (say("half the network between nodes"), lambda asked: _wires(asked, network=0.5)),
        (say("twice the network between nodes"), lambda asked: _wires(asked, network=2.0)),
        (say("half the link inside a node"), lambda asked: _wires(asked, link=0.5)),
        (say("twice the link inside a node"), lambda asked: _wires(asked, link=2.0)),
        (say("twice the memory"), lambda asked: _accelerator(asked, memory_gb=2.0)),
        (say("a quarter more memory bandwidth"), lambda asked: _accelerator(asked, memory_gbps=1.25)),
        (say("a quarter more arithmetic"), _faster),
        (say("fp8"), _narrower),
        (say("sequences twice as long, half as many"), _longer),
    ]
    found: list[WhatIf] = []
    for name, change in changes:
        changed = change(question)
        if changed == question:
            continue
        offer = _offer(changed, constants)
        ratio = offer.plan.seconds / best.seconds if offer else None
        found.append(WhatIf(name=name, plan=offer.plan if offer else None, share=ratio))
    return found


def _wires(question: Question, *, link: float = 1.0, network: float = 1.0) -> Question:
    cluster: Cluster = question.cluster
    if network != 1.0 and cluster.count <= cluster.per_node:
        return question
    return replace(
        question, cluster=replace(cluster, link_gbps=cluster.link * link / 1e9, network_gbps=cluster.network * network / 1e9)
    )  # fmt: skip


def _accelerator(question: Question, *, memory_gb: float = 1.0, memory_gbps: float = 1.0) -> Question:
    one = question.cluster.accelerator
    changed = replace(one, memory_gb=one.memory_gb * memory_gb, memory_gbps=one.memory_gbps * memory_gbps)
    return replace(question, cluster=replace(question.cluster, accelerator=changed))


def _faster(question: Question) -> Question:
    one = question.cluster.accelerator
    changed = replace(one, peak_tflops=tuple((name, 1.25 * rate) for name, rate in one.peak_tflops))
    return replace(question, cluster=replace(question.cluster, accelerator=changed))


def _narrower(question: Question) -> Question:
    if "fp8" not in dict(question.cluster.accelerator.peak_tflops):
        return question
    return replace(question, work=replace(question.work, precision="fp8"))


def _longer(question: Question) -> Question:
    work = question.work
    if work.batch % 2:
        return question
    return replace(question, work=replace(work, sequence=2 * work.sequence, batch=work.batch // 2))


def _warnings(question: Question, found: Found, *, late: bool) -> list[str]:
    accelerator, warnings = question.cluster.accelerator, []
    if not accelerator.validated and accelerator.kind != "cpu":
        warnings.append(
            say("{name}: no published row was held against the model; expect errors beyond those of docs/plan.md", name=accelerator.name)
        )
    if late:
        warnings.append(say("no number of accelerators up to this one keeps the deadline, {hours:,g} hours", hours=question.deadline_hours))
    if question.shape.experts:
        warnings.append(say("experts: no published row was held against this part of the model"))
    if found.considered > MOST:
        warnings.append(say("more than {n:,} layouts: the rest was not tried; give some degrees in layout", n=MOST))
    if found.best and found.best.fit is Fit.TIGHT:
        warnings.append(say("the fastest layout barely fits by the estimate, which may be off by that much; try it before renting"))
    precision = question.work.precision
    if precision not in dict(accelerator.peak_tflops):
        warnings.append(say("{name} has no {precision}: computed in the nearest that it has", name=accelerator.name, precision=precision))
    return warnings
