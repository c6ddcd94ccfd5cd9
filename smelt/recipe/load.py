"""From a recipe file, or a dict, to a checked `Recipe`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from smelt.errors import EnvironmentFault, RecipeFault, RecipeFaults, UsageFault
from smelt.language import say
from smelt.recipe.document import Document, read_document
from smelt.recipe.faults import check
from smelt.recipe.override import override
from smelt.recipe.plan import PlanSpec
from smelt.recipe.recipe import Recipe
from smelt.recipe.suggest import nearest


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the YAML file.
        overrides: `--set` arguments such as `train.epochs=3`, laid over the file in their order.

    Raises:
        UsageFault: there is no such file.
        EnvironmentFault: the file cannot be read.
        RecipeFaults: every fault of the recipe with its line and column. Faults of the YAML itself come before all others.
    """
    return check(Recipe, _document(path, overrides))


def load_question(path: Path, overrides: Sequence[str] = ()) -> Recipe | PlanSpec:
    """Read and check what `smelt plan` is given: a recipe, which has `data:`, or a model, a task and a cluster by their sizes.

    Raises:
        UsageFault, EnvironmentFault, RecipeFaults: as `load`.
    """
    document = _document(path, overrides)
    return check(Recipe, document) if isinstance(document.tree, dict) and "data" in document.tree else check(PlanSpec, document)


def from_dict(values: Mapping[str, object]) -> Recipe:
    """Check a recipe written in Python, or one that `Recipe.model_dump` wrote.

    Raises:
        RecipeFaults: every fault of the recipe; lines and columns are 0.
    """
    return check(Recipe, Document("recipe", dict(values)))


def _document(path: Path, overrides: Sequence[str]) -> Document:
    document = read_document(_read(path), str(path))
    faults: list[RecipeFault] = []
    for argument in overrides:
        try:
            override(document, argument)
        except RecipeFaults as error:
            faults += error.faults
    if faults:
        raise RecipeFaults(str(path), faults)
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise UsageFault(say("{path}: is a folder, want a recipe", path=path), step=_advice(path)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageFault(say("{path}: there is no such recipe", path=path), step=_advice(path)) from error
    except OSError as error:
        raise EnvironmentFault(say("{path}: cannot be read ({reason})", path=path, reason=error.strerror)) from error
    except ValueError as error:
        raise UsageFault(say("{path}: this cannot be a file's name", path=repr(str(path)))) from error


def _advice(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    recipes = {each.name: each for each in sorted(folder.glob("*.y*ml"))} if folder.is_dir() else {}
    if not recipes:
        return say("Write one with `smelt init DIR --data FILE`.")
    other = nearest(path.name, recipes) or next(iter(recipes))
    return say("Did you mean {other}?", other=recipes[other])
