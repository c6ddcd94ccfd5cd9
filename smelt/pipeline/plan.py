"""A recipe as a question to the planner: its network, its batch, the layouts that smelt runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.folder import find_weights
from smelt.plan.config import load_config, read_config, shape_of
from smelt.plan.layout import Work
from smelt.plan.question import Question, cluster_of
from smelt.plan.section import RUNNABLE
from smelt.plan.shape import Shape
from smelt.plan.software import SMELT
from smelt.recipe.model import PretrainedTransformer, ScratchTransformer, network_of
from smelt.recipe.parallel import RayLaunch
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import WindowsSection, windows_of

SPLIT = frozenset({
    "bert", "camembert", "distilbert", "electra", "gpt2", "llama", "mistral", "qwen2", "roberta", "xlm-roberta",
})  # fmt: skip
"""Architectures whose matrices smelt splits: those of `models.parts`, which needs torch."""


def question_of_recipe(recipe: Recipe, folder: Path, state: Path) -> Question:
    """Return what `smelt plan RECIPE` asks. One step is planned for: how many there are depends on the data.

    Raises:
        UsageFault: the model is no transformer, its folder is none, or the accelerator is unknown.
    """
    train = recipe.train
    batch = train.batch_examples if train else 64
    shape, sequence, family = _network(recipe)
    cluster = cluster_of(recipe.cluster, folder, state)
    precision = train.precision if train else "auto"
    if precision == "auto":
        precision = "fp32" if cluster.accelerator.generation == 2017 else "bf16"
    return Question(
        shape=shape, work=Work(sequence=sequence, batch=batch, precision=precision), cluster=cluster,
        software=replace(SMELT, flash=cluster.accelerator.kind != "cpu", dropout=_drops(recipe)),
        hours_between_failures=recipe.cluster.hours_between_failures,
        storage_gbps=recipe.cluster.storage_gbps, fixed=_allowed(recipe, family),
        assumed=tuple(_assumed(recipe, batch, sequence)),
    )  # fmt: skip


def _assumed(recipe: Recipe, batch: int, sequence: int) -> Iterator[str]:
    yield say("every text as long as model.max_tokens, {tokens}; shorter ones take less", tokens=sequence)
    yield say("batches of train.batch_examples, {examples}", examples=batch)
    most = recipe.train.batch_tokens if recipe.train else batch * sequence
    if batch * sequence > most:
        yield say("train.batch_tokens, {most}, is not kept: it holds {n} such texts", most=most, n=max(1, most // sequence))
    if _adapted(recipe):
        yield say("all weights learn; adapters take less memory")


def _allowed(recipe: Recipe, family: str) -> dict[str, object]:
    """What of the layout is settled: by what smelt runs, and by what the recipe goes with."""
    fixed = dict(RUNNABLE)
    if _adapted(recipe) or (isinstance(recipe.launch, RayLaunch) and recipe.launch.fewest != "all"):
        fixed |= {"tensor": 1, "pipeline": 1, "sharding": "none"}
    if isinstance(windows_of(recipe.task), WindowsSection):
        fixed["pipeline"] = 1
    if family not in SPLIT:
        fixed["tensor"] = 1
    return fixed


def _drops(recipe: Recipe) -> bool:
    """Pretrained encoders keep the dropout of their configurations, a tenth nearly everywhere."""
    network = network_of(recipe.model)
    return network.dropout > 0 if isinstance(network, ScratchTransformer) else True


def _adapted(recipe: Recipe) -> bool:
    return recipe.train is not None and recipe.train.adapter != "none"


def _network(recipe: Recipe) -> tuple[Shape, int, str]:
    """The shape, with the share of tokens that a task predicts, the tokens of a text, and the architecture."""
    network = network_of(recipe.model)
    if isinstance(network, PretrainedTransformer):
        folder = find_weights(network.weights, network.revision)
        shape, family = read_config(folder), str(load_config(folder).get("model_type"))
        if network.freeze == "embeddings" and recipe.task.kind == "classify":
            shape = replace(shape, frozen=shape.vocab * shape.row_width)
    elif isinstance(network, ScratchTransformer):
        shape, family = shape_of(_config(network), "model"), network.architecture
    else:
        raise UsageFault(
            say("model.kind '{kind}': only transformers are planned for", kind=network.kind),
            step=say("Such a model trains in minutes on one machine: smelt check tells how long."),
        )
    share = {"classify": 0.0, "masked_language": 0.15, "causal_language": 1.0}[recipe.task.kind]
    return replace(shape, head_share=share), network.max_tokens, family


def _config(network: ScratchTransformer) -> dict[str, object]:
    """The configuration that such a network is built with, in Hugging Face's words."""
    sizes: dict[str, object] = {
        "model_type": network.architecture, "vocab_size": network.vocabulary.size, "num_hidden_layers": network.layers,
        "hidden_size": network.dim, "num_attention_heads": network.heads, "intermediate_size": network.feed_forward,
        "max_position_embeddings": network.max_tokens, "type_vocab_size": 2,
    }  # fmt: skip
    if network.architecture == "gpt2":
        sizes |= {"n_layer": network.layers, "n_embd": network.dim, "n_head": network.heads, "n_inner": network.feed_forward,
                  "n_positions": network.max_tokens}  # fmt: skip
    if network.architecture == "llama" and network.kv_heads != "auto":
        sizes["num_key_value_heads"] = network.kv_heads
    return sizes
