"""The answer as plain data, for `--json`, files and pages."""

from dataclasses import asdict
from math import isfinite

from smelt.plan.answer import Answer, Offer
from smelt.plan.failures import Failures
from smelt.plan.memory import Memory
from smelt.plan.search import Found, Plan

Document = dict[str, object]


def document(answer: Answer) -> Document:
    """Return what `smelt plan --json` prints. Times in seconds or hours, memory in 10⁹ bytes, as the keys say."""
    question, found = answer.question, answer.found
    cluster, steps = question.cluster, question.steps
    return {
        "model": asdict(question.shape) | {"weights": question.shape.weights},
        "task": asdict(question.work) | {"steps": steps, "tokens_per_step": question.work.tokens},
        "cluster": {
            "accelerator": cluster.accelerator.name, "count": cluster.count, "per_node": cluster.per_node, "link_gbps": cluster.link / 1e9,
            "network_gbps": cluster.network / 1e9, "memory_gb": cluster.accelerator.memory_gb, "price_per_hour": cluster.price_per_hour,
            "validated_on": list(cluster.accelerator.validated), "source": cluster.accelerator.source, "date": cluster.accelerator.date,
        },
        "deadline_hours": question.deadline_hours or None,
        "considered": found.considered,
        "too_large": found.too_large,
        "best": _plan(found.best, found, steps) if found.best else None,
        "runners_up": [_plan(each, found, steps) for each in found.runners_up],
        "lost": [{"reason": each.reason} | _plan(each.plan, found, steps) for each in found.lost],
        "leanest": _plan(found.leanest, found, steps),
        "offers": [_offer(each, answer.question.deadline_hours) for each in answer.offers],
        "pareto": [each.count for each in answer.pareto],
        "cheapest": answer.cheapest.count if answer.cheapest else None,
        "smallest": answer.smallest.count if answer.smallest else None,
        "what_if": [
            {"name": each.name, "step_seconds": each.plan.seconds if each.plan else None, "share": each.share,
             "layout": asdict(each.plan.layout) if each.plan else None}
            for each in answer.what_if
        ],
        "failures": _failures(answer.failures) if answer.failures else None,
        "warnings": list(answer.warnings),
        "assumed": list(question.assumed),
    }  # fmt: skip


def _plan(plan: Plan, found: Found, steps: int) -> Document:
    estimator = found.estimator
    work, cluster = estimator.work, estimator.cluster
    flops = estimator.shape.flops(work.tokens, work.sequence)
    peak = cluster.accelerator.peak(work.precision) * cluster.count
    return {
        "layout": asdict(plan.layout),
        "step_seconds": plan.seconds,
        "hours": plan.seconds * steps / 3600 if steps else None,
        "tokens_per_second": work.tokens / plan.seconds,
        "mfu": flops / plan.seconds / peak,
        "parts_seconds": plan.step.parts,
        "stage_seconds": list(plan.step.stages),
        "micro_batches": plan.step.micro_batches,
        "fit": plan.fit.value,
        "memory": [_memory(each) for each in estimator.memory(plan.layout)],
    }


def _failures(trouble: Failures) -> Document:
    """JSON has no infinity: a run that never ends has no expected time."""
    found: Document = asdict(trouble)
    return found | {"expected": trouble.expected if isfinite(trouble.expected) else None}


def _memory(memory: Memory) -> Document:
    parts = {name: value / 1e9 for name, value in asdict(memory).items() if name != "stage"}
    return {"stage": memory.stage, "total_gb": memory.total / 1e9} | {f"{name}_gb": value for name, value in parts.items()}


def _offer(offer: Offer, deadline: float) -> Document:
    return {
        "count": offer.count, "hours": offer.hours, "accelerator_hours": offer.accelerator_hours, "cost": offer.cost,
        "step_seconds": offer.plan.seconds, "layout": asdict(offer.plan.layout), "fit": offer.plan.fit.value,
        "keeps_deadline": offer.hours <= deadline if deadline else None,
    }  # fmt: skip
