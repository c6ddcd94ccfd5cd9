"""What `smelt plan` reads where there is no recipe: a model, a task and a cluster, by their sizes."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.cluster import ClusterSection
from smelt.recipe.section import Count, Section

Size = Count | Literal["auto"]


class PlanModel(Section):
    """A network: a configuration of Hugging Face's, or sizes."""

    config: str = ""
    """A `config.json`, or a folder with one. The sizes below are left out then."""
    layers: Size = "auto"
    hidden: Size = "auto"
    heads: Annotated[Size, Field(validate_default=True)] = "auto"
    kv_heads: Size = "auto"
    """`auto`: as many as heads."""
    head_width: Annotated[Size, Field(validate_default=True)] = "auto"
    """`auto`: hidden divided by heads."""
    ffn: Size = "auto"
    """Columns of the feed-forward, of one expert where there are several. `auto`: four times hidden."""
    vocab: Count = 50_304
    gated: bool = False
    """Is the feed-forward gated (SwiGLU)? Such networks have RMS norms and no biases here."""
    causal: bool = True
    """Does a token see only those before it?"""
    tied: bool = True
    """Is the head the embedding?"""
    experts: Annotated[int, Field(ge=0)] = 0
    """0: a dense network."""
    experts_per_token: Annotated[int, Field(ge=0, validate_default=True)] = 0

    @field_validator("heads")
    @classmethod
    def _a_file_or_sizes(cls, heads: Size, info: ValidationInfo) -> Size:
        given = {**info.data, "heads": heads}
        sizes = [name for name in ("layers", "hidden", "heads") if given.get(name, "auto") != "auto"]
        if given.get("config") and sizes:
            raise ValueError(say("sizes stand beside a config; leave out {names}", names=", ".join(sizes)))
        if not given.get("config") and len(sizes) < 3:
            raise ValueError(say("want config, or layers, hidden and heads"))
        return heads

    @field_validator("kv_heads")
    @classmethod
    def _divide_heads(cls, kv_heads: Size, info: ValidationInfo) -> Size:
        heads = info.data.get("heads", "auto")
        if kv_heads != "auto" and heads != "auto" and heads % kv_heads:
            raise ValueError(say("{kv_heads} kv_heads do not divide {heads} heads", kv_heads=kv_heads, heads=heads))
        return kv_heads

    @field_validator("head_width")
    @classmethod
    def _heads_divide_hidden(cls, head_width: Size, info: ValidationInfo) -> Size:
        heads, hidden = info.data.get("heads", "auto"), info.data.get("hidden", "auto")
        if head_width == "auto" and heads != "auto" and hidden != "auto" and hidden % heads:
            raise ValueError(say("{heads} heads do not divide hidden, {hidden}; give head_width", heads=heads, hidden=hidden))
        return head_width

    @field_validator("experts_per_token")
    @classmethod
    def _some_of_the_experts(cls, experts_per_token: int, info: ValidationInfo) -> int:
        experts = info.data.get("experts", 0)
        if experts_per_token > experts or (experts and not experts_per_token):
            raise ValueError(say("experts_per_token wants 1 to experts, {experts}", experts=experts))
        return experts_per_token


class PlanTask(Section):
    """What one step does, and how many there are."""

    sequence: Count
    """Tokens of a sequence."""
    global_batch: Count
    """Sequences of one step over all ranks."""
    precision: Literal["fp32", "fp16", "bf16", "fp8"] = "bf16"
    tokens: Annotated[float, Field(ge=0)] = 0.0
    """Tokens to train on in all; 0 where `steps` says it, or where one step is all that is asked for."""
    steps: Annotated[int, Field(ge=0)] = 0
    """Steps in all."""


class PlanSoftware(Section):
    """Habits of the training software.

    `current`: Megatron-Core and the like; `pytorch`: sharded by PyTorch; `megatron-2021`: the published sweeps of its time.
    """

    stack: Literal["current", "pytorch", "megatron-2021"] = "current"
    flash: bool | Literal["auto"] = "auto"
    """Is attention computed without storing its scores?"""


class PlanLayout(Section):
    """What of the layout is given. `auto`: the search decides."""

    tensor: Size = "auto"
    pipeline: Size = "auto"
    context: Size = "auto"
    data: Size = "auto"
    virtual: Size = "auto"
    micro_batch: Size = "auto"
    expert: Size = "auto"
    sharding: Literal["auto", "none", "optimizer", "full"] = "auto"
    recompute: Literal["auto", "none", "selective", "full"] = "auto"
    sequence_parallel: bool | Literal["auto"] = "auto"


class PlanSpec(Section):
    """A question to `smelt plan`."""

    model: PlanModel
    task: PlanTask
    cluster: ClusterSection = ClusterSection()
    software: PlanSoftware = PlanSoftware()
    layout: PlanLayout = PlanLayout()
    deadline_hours: Annotated[float, Field(ge=0)] = 0.0
    """When the run has to be done: the cheapest and the smallest cluster that keep it are named. 0: there is none."""
