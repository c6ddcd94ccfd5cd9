"""The floor: TF-IDF and a linear support vector machine, fitted by scikit-learn, kept as plain matrices."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.ngrams import fit_ngrams

WEIGHTS = "linear.safetensors"


def fit_linear(
    texts: Sequence[str], labels: Sequence[str], ids: Sequence[str], *, classes: Sequence[str], features: int, folder: Path
) -> None:
    """Fit on training rows and write codec, idf, weights and bias into an existing folder.

    Args:
        texts: documents.
        labels: their labels.
        ids: their row ids, for faults.
        classes: all labels, in the order of the scores.
        features: most n-grams kept.
        folder: to fill; `smelt.runtime.linear` opens it.
    """
    codec = ClassifyCodec(labels=tuple(classes), encoder=fit_ngrams(texts, features))
    arrays = codec.encode(texts)
    ones = np.ones(len(arrays.ids), np.float64)
    counts = csr_matrix((ones, arrays.ids, arrays.offsets), shape=(len(texts), codec.encoder.size))
    counts.sum_duplicates()
    weighting = TfidfTransformer(sublinear_tf=True)
    machine = LinearSVC(C=0.5, random_state=0)
    machine.fit(weighting.fit_transform(counts), codec.encode_labels(labels, ids))
    weights, bias = _rows_per_class(machine, len(classes))
    tensors = {"idf": weighting.idf_.astype(np.float32), "weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / WEIGHTS)
    (folder / "config.json").write_text(json.dumps({"smelt_family": "linear"}), encoding="utf-8")
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
