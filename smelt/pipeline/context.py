"""What the stages of one run share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.recipe.data import DataSection, FilesData, without_labels
from smelt.recipe.model import ModelSection, PredictionsModel, PretrainedTransformer
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import ClassifyTask
from smelt.run.folder import RunFolder
from smelt.runtime.clock import Clock, time_elsewhere

if TYPE_CHECKING:
    from smelt.pipeline.team import Team
    from smelt.train.fit import Step
    from smelt.train.session import Facts

STAGES = ("data", "train", "compress", "verify", "export", "report")


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whoever wants to hear how the run goes. The command line draws progress from it."""

    stage: Callable[[str, str], None] = lambda _stage, _note: None
    """A stage begins (note empty), or says something."""
    step: "Callable[[str, Step | None, Facts], None]" = lambda _name, _step, _facts: None
    """A training took a step, or ended an epoch (step None)."""


@dataclass(frozen=True, slots=True)
class Context:
    """Recipe, run folder, and whoever watches."""

    recipe: Recipe
    recipe_text: str
    command: str
    run: RunFolder
    watch: Watcher
    clock: Clock = time_elsewhere
    team: "Team | None" = None
    """The processes that torchrun started, where it did."""

    @property
    def data(self) -> DataSection:
        """The recipe's `data:`; where the task has no labels, neither has this."""
        section = self.recipe.data
        return section if isinstance(self.recipe.task, ClassifyTask) else without_labels(section)

    @property
    def text_column(self) -> str:
        """Column that holds the document."""
        return getattr(self.recipe.data, "text", "text")


def resolve_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with its paths resolved against the folder of its file."""
    data, model = recipe.data, recipe.model
    if isinstance(data, FilesData):
        data = data.model_copy(update={"path": str((folder / data.path).resolve())})
    compress, transfer = recipe.compress, recipe.compress.transfer
    if transfer.path:
        transfer = transfer.model_copy(update={"path": str((folder / transfer.path).resolve())})
        compress = compress.model_copy(update={"transfer": transfer})
    return recipe.model_copy(update={"data": data, "model": _resolve_model(model, folder), "compress": compress})


def _resolve_model(model: ModelSection, folder: Path) -> ModelSection:
    if isinstance(model, PredictionsModel):
        path, encoder = str((folder / model.path).resolve()), _resolve_model(model.encoder, folder)
        return model.model_copy(update={"path": path, "encoder": encoder})
    if isinstance(model, PretrainedTransformer) and (folder / model.weights).is_dir():
        return model.model_copy(update={"weights": str((folder / model.weights).resolve())})
    return model
