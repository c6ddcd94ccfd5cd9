"""What `smelt plan` reads where there is no recipe: a model, a task and a cluster, by their sizes."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from smelt.language import say
from smelt.recipe.cluster import ClusterSection
from smelt.recipe.section import Section

# The upper ends are beyond what anybody trains; they keep sums finite and searches short.
Number = Annotated[int, Field(ge=1, le=10**7)]
Size = Number | Literal["auto"]


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
    vocab: Number = 50_304
    gated: bool = False
    """Is the feed-forward gated (SwiGLU)? Such networks have RMS norms and no biases here."""
    causal: bool = True
    """Does a token see only those before it?"""
    tied: bool = True
    """Is the head the embedding?"""
    experts: Annotated[int, Field(ge=0, le=10**5)] = 0
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

    @model_validator(mode="after")
    def _nothing_is_said_twice(self) -> "PlanModel":
        beside = [name for name, value in self if name in self.model_fields_set - {"config"} and value != "auto"]
        if self.config and beside:
            raise ValueError(say("sizes stand beside a config; leave out {names}", names=", ".join(beside)))
        return self


class PlanTask(Section):
    """What one step does, and how many there are."""

    sequence: Annotated[int, Field(ge=1, le=10**9)]
    """Tokens of a sequence."""
    global_batch: Annotated[int, Field(ge=1, le=10**9)]
    """Sequences of one step over all ranks."""
    precision: Literal["fp32", "fp16", "bf16", "fp8"] = "bf16"
    tokens: Annotated[float, Field(ge=0, le=1e18)] = 0.0
    """Tokens to train on in all; 0 where `steps` says it, or where one step is all that is asked for."""
    steps: Annotated[int, Field(ge=0, le=10**12)] = 0
    """Steps in all."""

    @field_validator("steps")
    @classmethod
    def _said_once(cls, steps: int, info: ValidationInfo) -> int:
        if steps and info.data.get("tokens"):
            raise ValueError(say("tokens say how many steps there are; leave one of the two out"))
        return steps


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
    deadline_hours: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """When the run has to be done: the cheapest and the smallest cluster that keep it are named. 0: there is none."""

    @field_validator("deadline_hours")
    @classmethod
    def _of_a_whole_run(cls, hours: float, info: ValidationInfo) -> float:
        task = info.data.get("task")
        if hours and isinstance(task, PlanTask) and not task.tokens and not task.steps:
            raise ValueError(say("how long the run is nobody knows; give task.tokens or task.steps, or leave the deadline out"))
        return hours
