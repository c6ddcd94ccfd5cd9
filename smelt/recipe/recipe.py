"""The whole recipe. Only the roof (`cli`, `pipeline`) imports this file; a stage takes its own section."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.cluster import ClusterSection
from smelt.recipe.compress import Compress
from smelt.recipe.data import DataSection
from smelt.recipe.export import Export
from smelt.recipe.model import (
    CnnModel,
    ModelSection,
    PredictionsModel,
    PretrainedTransformer,
    RnnModel,
    ScratchTransformer,
    StaticModel,
    network_of,
)
from smelt.recipe.parallel import LaunchSection, LocalLaunch, Parallel, RayLaunch
from smelt.recipe.section import Section
from smelt.recipe.task import CausalLanguageTask, ClassifyTask, TaskSection, WindowsSection
from smelt.recipe.track import NoTracking, TrackSection
from smelt.recipe.train import Augment, Train
from smelt.recipe.verify import Auroc, Verify

_WITHOUT_HEADS = CnnModel | RnnModel | StaticModel


class Recipe(Section):
    """One file: your data and one recipe in, a certified smaller model out."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "run"
    """Name of the run and of its folder under `runs/`. Lower-case letters, digits, `.`, `_` and `-`."""
    budget_minutes: Annotated[float, Field(gt=0)] = 45.0
    """Minutes that training and search may take together. Sizes `auto` epochs and the number of candidates to this machine."""
    data: DataSection
    task: TaskSection
    model: ModelSection = PretrainedTransformer()
    train: Annotated[Train | None, Field(validate_default=True)] = None
    """How the reference is fitted. Without this section its weights are already fine-tuned and only compressed."""
    parallel: Parallel = Parallel()
    launch: LaunchSection = LocalLaunch()
    compress: Compress = Compress()
    verify: Verify = Verify()
    export: Export = Export()
    cluster: ClusterSection = ClusterSection()
    """Read by `smelt plan` alone; `launch` says where a run takes place."""
    track: TrackSection = NoTracking()

    @field_validator("model")
    @classmethod
    def _suits_the_task(cls, model: ModelSection, info: ValidationInfo) -> ModelSection:
        task = info.data.get("task")
        if task is None:
            return model
        if not isinstance(task, ClassifyTask) and not isinstance(model, PretrainedTransformer | ScratchTransformer):
            raise ValueError(say("a model of kind '{kind}' learns no language; take a transformer", kind=model.kind))
        network = network_of(model)
        if isinstance(network, ScratchTransformer) and (network.architecture != "bert") != isinstance(task, CausalLanguageTask):
            wanted = "gpt2, llama" if isinstance(task, CausalLanguageTask) else "bert"
            raise ValueError(
                say(
                    "architecture '{found}' is not for task {task}; want {wanted}",
                    found=network.architecture,
                    task=task.kind,
                    wanted=wanted,
                )
            )
        return model

    @field_validator("model")
    @classmethod
    def _windows_fit(cls, model: ModelSection, info: ValidationInfo) -> ModelSection:
        windows = getattr(info.data.get("task"), "windows", None)
        if not isinstance(windows, WindowsSection):
            return model
        network = network_of(model)
        if not isinstance(network, PretrainedTransformer | ScratchTransformer):
            raise ValueError(say("task.windows is for transformers; a model of kind '{kind}' reads a text at once", kind=network.kind))
        if windows.stride != "auto" and windows.stride > network.max_tokens - 2:
            raise ValueError(
                say("task.windows.stride {stride} leaves gaps between windows of {tokens} tokens, two of which frame them",
                    stride=windows.stride, tokens=network.max_tokens)
            )  # fmt: skip
        return model

    @field_validator("parallel")
    @classmethod
    def _can_be_spread(cls, parallel: Parallel, info: ValidationInfo) -> Parallel:
        model, train = info.data.get("model"), info.data.get("train")
        if model is None or parallel.processes * parallel.pieces == 1:
            return parallel
        network = network_of(model)
        cuts = parallel.tensor * parallel.pipeline * (parallel.shard if isinstance(network, RnnModel) else 1)
        if isinstance(network, _WITHOUT_HEADS) and cuts > 1:
            raise ValueError(say("a model of kind '{kind}' is not split: take shard, tensor and pipeline of 1", kind=network.kind))
        if isinstance(getattr(info.data.get("task"), "windows", None), WindowsSection) and parallel.pipeline > 1:
            raise ValueError(say("a pipeline does not read by windows: take pipeline: 1, or leave task.windows out"))
        if isinstance(network, ScratchTransformer) and network.layers < parallel.stages:
            raise ValueError(
                say(
                    "{stages} stages of {layers} layers: want at most as many stages as layers",
                    stages=parallel.stages,
                    layers=network.layers,
                )
            )
        if isinstance(network, ScratchTransformer) and (network.heads % parallel.tensor or network.feed_forward % parallel.tensor):
            legal = [n for n in range(1, network.heads + 1) if not (network.heads % n or network.feed_forward % n)]
            raise ValueError(
                say("tensor {tensor} does not divide {heads} heads and {columns} feed-forward columns; want one of {legal}",
                    tensor=parallel.tensor, heads=network.heads, columns=network.feed_forward, legal=", ".join(map(str, legal)))
            )  # fmt: skip
        if isinstance(train, Train) and train.adapter != "none" and parallel.processes > parallel.copies:
            raise ValueError(say("adapters go with whole copies: take shard, tensor and pipeline of 1, or leave train.adapter out"))
        if isinstance(train, Train) and parallel.readers * parallel.pieces > train.batch_examples:
            raise ValueError(
                say("{shares} shares of {pieces} microbatches cannot be made of {examples} examples: take replicate times shard up to "
                    "{most}, fewer microbatches, or a larger train.batch_examples",
                    shares=parallel.readers, pieces=parallel.pieces, examples=train.batch_examples,
                    most=train.batch_examples // parallel.pieces)
            )  # fmt: skip
        return parallel

    @field_validator("launch")
    @classmethod
    def _fewer_processes_are_whole_copies(cls, launch: LaunchSection, info: ValidationInfo) -> LaunchSection:
        parallel = info.data.get("parallel")
        if not isinstance(launch, RayLaunch) or parallel is None:
            return launch
        if parallel.replicate == "auto":
            raise ValueError(say("Ray has to know how many copies to place: give parallel.replicate a number, and fewest for fewer"))
        if launch.fewest == "all":
            return launch
        if max(parallel.shard, parallel.tensor, parallel.pipeline) > 1:
            raise ValueError(say("fewest needs whole copies: take shard, tensor and pipeline of 1, or fewest: all"))
        if launch.fewest > parallel.processes:
            raise ValueError(say("fewest {fewest} is more than the {n} processes of parallel", fewest=launch.fewest, n=parallel.processes))
        return launch

    @field_validator("verify")
    @classmethod
    def _requirements_can_be_judged(cls, verify: Verify, info: ValidationInfo) -> Verify:
        if verify.also and verify.labels == "reference":
            raise ValueError(say("also needs true labels, and labels is 'reference'. Take one of them out"))
        if isinstance(info.data.get("model"), PredictionsModel) and any(isinstance(one, Auroc) for one in verify.also):
            raise ValueError(say("auroc needs the reference's probabilities, and a file of predictions has none. Leave auroc out"))
        return verify

    @field_validator("train")
    @classmethod
    def _adapters_stand_beside_given_weights(cls, train: Train | None, info: ValidationInfo) -> Train | None:
        model = info.data.get("model")
        if train is not None and train.adapter != "none" and model is not None and not isinstance(network_of(model), PretrainedTransformer):
            raise ValueError(say("adapter needs weights to stand beside; a model of kind '{kind}' starts from nothing", kind=model.kind))
        return train

    @field_validator("train")
    @classmethod
    def _language_is_trained_once(cls, train: Train | None, info: ValidationInfo) -> Train | None:
        task = info.data.get("task")
        if task is None or isinstance(task, ClassifyTask):
            return train
        if train is None:
            raise ValueError(say("missing. A language model has to learn: add `train: {{}}`"))
        if train.refit or train.augment != Augment() or train.label_smoothing or train.report != "score":
            raise ValueError(say("refit, augment, label_smoothing and report are for task classify; leave them out"))
        return train

    @field_validator("train")
    @classmethod
    def _what_has_to_learn_is_trained(cls, train: Train | None, info: ValidationInfo) -> Train | None:
        model = info.data.get("model")
        if train is None and isinstance(model, ScratchTransformer | CnnModel | RnnModel | StaticModel):
            raise ValueError(say("missing. A model of kind '{kind}' starts from random weights: add `train: {{}}`", kind=model.kind))
        if train is None and isinstance(model, PredictionsModel):
            raise ValueError(say("missing. The encoder has to learn the predictions: add `train: {{}}`"))
        return train
