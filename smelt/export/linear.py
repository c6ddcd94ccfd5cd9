"""Fit a linear model and seal it as a bundle: the floor of every run, and the student that needs no network."""

from pathlib import Path

from smelt.models.linear import LabeledTexts, fit_linear
from smelt.runtime.isa import isa
from smelt.runtime.manifest import Manifest, seal


def write_linear(table: LabeledTexts, features: int, name: str, text_column: str, folder: Path) -> Manifest:
    """Fill an empty folder with a bundle and return its manifest.

    Args:
        table: documents and their labels.
        features: most n-grams kept.
        name: of the candidate.
        text_column: of the documents.
        folder: to fill.
    """
    fit_linear(table, features=features, folder=folder)
    facts = Manifest(name=name, family="linear", runtime="numpy", precision="fp32", text_column=text_column, isa=isa())
    seal(folder, facts)
    return facts
