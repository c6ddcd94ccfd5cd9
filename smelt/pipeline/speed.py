"""How long the reference would train here: a few measured steps, on a sample of the data."""

import tempfile
from pathlib import Path

from smelt.data.dataset import Dataset
from smelt.models.build import build_model
from smelt.pipeline.reference import REFERENCE_SHARE, encode_split, labels_of
from smelt.recipe.model import NetworkSection
from smelt.recipe.train import Train
from smelt.train.fit import Plan, cross_entropy
from smelt.train.pace import make_plan, measure_pace


def expected_plan(model: NetworkSection, section: Train, budget_minutes: float, dataset: Dataset) -> Plan:
    """Measure the speed of training and return the plan that a run would make now."""
    built = build_model(model, labels_of(dataset), dataset.train.texts(), section.seed)
    with tempfile.TemporaryDirectory(prefix="smelt-speed-") as folder:
        rows = encode_split(built.codec, dataset.train, Path(folder) / "train.ids")
        pace = measure_pace(built.network, rows, section, cross_entropy(section.label_smoothing))
        seconds = budget_minutes * 60 * REFERENCE_SHARE
        return make_plan(pace, rows, section, seconds=seconds, epochs=section.epochs, most=section.max_epochs)
