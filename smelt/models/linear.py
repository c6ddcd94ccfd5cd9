"""The floor: TF-IDF and a linear support vector machine, fitted by scikit-learn, kept as plain matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.ngrams import fit_ngrams

WEIGHTS = "linear.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledTexts:
    """What is fitted."""

    texts: Sequence[str]
    labels: Sequence[str]
    ids: Sequence[str]
    """Of the rows, for faults."""
    classes: Sequence[str]
    """All labels, in the order of the scores."""


def fit_linear(table: LabeledTexts, *, features: int, folder: Path) -> None:
    """Fit on training rows and write codec, idf, weights and bias into an existing folder.

    Args:
        table: documents and their labels.
        features: most n-grams kept.
        folder: to fill; `smelt.runtime.linear` opens it.
    """
    codec = ClassifyCodec(labels=tuple(table.classes), encoder=fit_ngrams(table.texts, features))
    arrays = codec.encode(table.texts)
    ones = np.ones(len(arrays.ids), np.float64)
    counts = csr_matrix((ones, arrays.ids, arrays.offsets), shape=(len(table.texts), codec.encoder.size))
    counts.sum_duplicates()
    weighting = TfidfTransformer(sublinear_tf=True)
    machine = LinearSVC(C=0.5, random_state=0)
    machine.fit(weighting.fit_transform(counts), codec.encode_labels(table.labels, table.ids))
    weights, bias = _rows_per_class(machine, len(table.classes))
    tensors = {"idf": weighting.idf_.astype(np.float32), "weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / WEIGHTS)
    codec.save(folder)


def _rows_per_class(machine: LinearSVC, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (C, V) and bias (C,): scikit-learn keeps one row for two classes, and none for classes without an example."""
    rows = np.vstack([-machine.coef_, machine.coef_]) if len(machine.classes_) == 2 else machine.coef_
    biases = np.concatenate([-machine.intercept_, machine.intercept_]) if len(machine.classes_) == 2 else machine.intercept_
    weights = np.zeros((classes, rows.shape[1]))
    bias = np.full(classes, -1e9)
    weights[machine.classes_] = rows
    bias[machine.classes_] = biases
    return weights, bias
