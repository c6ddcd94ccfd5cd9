"""What is asked: a network, a step, machines, and what of the layout is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

from smelt.errors import UsageFault
from smelt.language import say
from smelt.plan.cluster import Cluster
from smelt.plan.config import read_config
from smelt.plan.hardware import Accelerator, find, read_entry
from smelt.plan.layout import Work
from smelt.plan.shape import Shape
from smelt.plan.software import CURRENT, MEGATRON_2021, PYTORCH, Software
from smelt.recipe.cluster import ClusterSection
from smelt.recipe.plan import PlanLayout, PlanModel, PlanSoftware, PlanSpec

THIS_MACHINE = "this machine"
MEASURED = "hardware.json"
"""Name of the entry that `smelt plan --calibrate` keeps in the state folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `steps` of 0: nothing but the time of a step is asked for. `fixed`: fields of Layout that are given."""

    shape: Shape
    work: Work
    cluster: Cluster
    software: Software = CURRENT
    steps: int = 0
    deadline_hours: float = 0.0
    hours_between_failures: float = 50_000.0
    storage_gbps: float = 10.0
    fixed: Mapping[str, object] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def on(self, count: int) -> "Question":
        """Return the same on `count` accelerators."""
        return replace(self, cluster=replace(self.cluster, count=count))


def question_of(spec: PlanSpec, folder: Path, state: Path) -> Question:
    """Turn a checked specification into a question. Paths in it resolve against `folder`.

    Raises:
        UsageFault: an accelerator that nobody knows, a configuration that cannot be read, a layout that the network does not allow.
    """
    work = Work(sequence=spec.task.sequence, batch=spec.task.global_batch, precision=spec.task.precision)
    steps = spec.task.steps or ceil(spec.task.tokens / work.tokens)
    return Question(
        shape=_shape(spec.model, folder), work=work, cluster=cluster_of(spec.cluster, folder, state), software=_software(spec.software),
        steps=steps, deadline_hours=spec.deadline_hours, hours_between_failures=spec.cluster.hours_between_failures,
        storage_gbps=spec.cluster.storage_gbps, fixed=_fixed(spec.layout), assumed=tuple(_assumed(spec)),
    )  # fmt: skip


def cluster_of(section: ClusterSection, folder: Path, state: Path) -> Cluster:
    """Look the accelerator up: in the table, in a file of the user's, or in what was measured last on this machine."""
    accelerator = _accelerator(section.accelerator, folder, state)
    links = section.links
    return Cluster(
        accelerator=accelerator, count=section.count, per_node=accelerator.domain if section.per_node == "auto" else section.per_node,
        link_gbps=0.0 if links.node_gbps == "auto" else links.node_gbps, price_per_hour=section.price_per_hour,
        network_gbps=0.0 if links.network_gbps == "auto" else links.network_gbps,
    )  # fmt: skip


def _accelerator(name: str, folder: Path, state: Path) -> Accelerator:
    if name == THIS_MACHINE:
        measured = state / MEASURED
        if not measured.is_file():
            raise UsageFault(
                say("this machine has not been measured yet"),
                step=say("Run `smelt plan --calibrate` once, or name an accelerator in cluster.accelerator, such as H100."),
            )
        return read_entry(measured)
    if name.endswith(".json"):
        return read_entry(folder / name)
    return find(name)


def _shape(model: PlanModel, folder: Path) -> Shape:
    if model.config:
        return read_config(folder / model.config)
    layers, hidden, heads = (_given(size) for size in (model.layers, model.hidden, model.heads))
    return Shape(
        layers=layers, hidden=hidden, heads=heads, kv_heads=heads if model.kv_heads == "auto" else model.kv_heads,
        head_width=hidden // heads if model.head_width == "auto" else model.head_width,
        ffn=4 * hidden if model.ffn == "auto" else model.ffn,
        vocab=model.vocab, gated=model.gated, causal=model.causal, tied=model.tied, norm_weights=1 if model.gated else 2,
        bias=not model.gated, qkv_bias=not model.gated, experts=model.experts, experts_per_token=model.experts_per_token,
        head_share=1.0 if model.causal else 0.16,
    )  # fmt: skip


def _given(size: int | str) -> int:
    assert isinstance(size, int), "the section has checked it"
    return size


def _software(section: PlanSoftware) -> Software:
    stack = {"current": CURRENT, "pytorch": PYTORCH, "megatron-2021": MEGATRON_2021}[section.stack]
    return stack if section.flash == "auto" else replace(stack, flash=section.flash)


def _fixed(section: PlanLayout) -> dict[str, object]:
    return {name: value for name, value in section.model_dump().items() if value != "auto"}


def _assumed(spec: PlanSpec) -> list[str]:
    found: list[str] = []
    if not spec.model.config and spec.model.ffn == "auto":
        found.append(say("ffn: four times hidden"))
    if spec.cluster.per_node == "auto":
        found.append(say("per_node, links: as the table of hardware has them"))
    if not spec.task.tokens and not spec.task.steps:
        found.append(say("neither tokens nor steps are given: one step"))
    return found
