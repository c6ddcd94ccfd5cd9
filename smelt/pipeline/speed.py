"""How long the reference would train here: a few measured steps, on a sample of the data."""

import tempfile
from pathlib import Path

from smelt.data.dataset import Dataset
from smelt.models.build import build_model
from smelt.parallel.place import check_spread
from smelt.pipeline.budget import make_budget
from smelt.pipeline.reference import encode_split, labels_of
from smelt.recipe.model import network_of
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import windows_of
from smelt.recipe.train import Train
from smelt.train.fit import Plan, cross_entropy
from smelt.train.pace import make_plan, measure_pace, most_epochs, scoring_speed


def expected_plan(recipe: Recipe, section: Train, dataset: Dataset) -> Plan:
    """Measure the speed of training and return the plan that a run would make now."""
    built = build_model(network_of(recipe.model), labels_of(dataset), dataset.train.texts(), section.seed, windows=windows_of(recipe.task))
    check_spread(built.network, recipe.parallel)
    with tempfile.TemporaryDirectory(prefix="smelt-speed-") as folder:
        rows = encode_split(built.codec, dataset.train, Path(folder) / "train.ids")
        pace = measure_pace(built.network, rows, section, cross_entropy(section.label_smoothing))
        budget = make_budget(recipe, dataset, rows, scoring_speed(built.network, rows, section))
        return make_plan(pace, rows, section, seconds=budget.reference, epochs=section.epochs, most=most_epochs(section, len(rows)))
