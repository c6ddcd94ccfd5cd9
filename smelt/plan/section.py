"""A layout as the `parallel:` section that `smelt run` takes, and a search among those that it can take."""

from dataclasses import replace

from smelt.plan.layout import Layout, Work
from smelt.plan.question import Question

RUNNABLE: dict[str, object] = {
    "context": 1, "expert": 1, "recompute": "none", "virtual": (1, 2), "sharding": ("none", "full"), "filled_pipeline": True,
    "whole_key_heads": True,
}  # fmt: skip
"""What smelt's own training does not do: split sequences or experts, shard the optimizer alone, compute activations again, more than two
stages per process."""


def runnable(question: Question) -> Question:
    """Return the question among layouts that smelt runs. What is given and is none of them leaves nothing to find."""
    fixed = dict(RUNNABLE)
    if question.shape.experts:
        fixed["expert"] = ()  # it trains no such networks
    for name, value in question.fixed.items():
        allowed = fixed.get(name, value)
        known = value == allowed or (isinstance(allowed, tuple) and value in allowed)
        fixed[name] = value if known else ()
    return replace(question, fixed=fixed)


def section_of(layout: Layout, work: Work) -> dict[str, object] | None:
    """Return the keys of `parallel:` that differ from their defaults, or None where smelt cannot run the layout."""
    pieces = layout.micro_batches(work.batch)
    unlike = layout.context > 1 or layout.expert > 1 or layout.virtual > 2 or pieces % layout.pipeline
    if unlike or layout.recompute != "none" or layout.sharding not in ("none", "full"):
        return None
    shard = (layout.shard or layout.data) if layout.sharding == "full" else 1
    values: dict[str, object] = {
        "replicate": layout.data // shard, "shard": shard, "tensor": layout.tensor,
        "sequence": layout.sequence_parallel and layout.tensor > 1, "pipeline": layout.pipeline,
    }  # fmt: skip
    if layout.pipeline > 1:
        values["pipeline_schedule"] = layout.schedule
    if pieces > 1:
        values["microbatches"] = pieces
    return {name: value for name, value in values.items() if value is True or value not in (1, False)}
