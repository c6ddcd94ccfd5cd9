"""The whole model as a person can read it: a sparse linear model and a shallow tree that answer nearly as it does, and how nearly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smelt.tasks.ngrams import fit_ngrams, ngrams_of
from smelt.verify.wilson import wilson

_FEATURES = 2_000
_DEPTH = 4
_HELD_OUT = 0.3
_TOLD = 8
"""Words per label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """Two simple models of a model."""

    texts: int
    """On which they were measured; they learned on others."""
    majority: float
    """Share of the answer given most: what no model at all reaches. Fraction."""
    linear: float
    """Share of the texts that the linear model answers as the model does. Fraction."""
    linear_bounds: tuple[float, float]
    tree: float
    tree_bounds: tuple[float, float]
    words: Mapping[str, Sequence[tuple[str, float]]]
    """For each label the words that speak most for it, with their weights."""
    features: int
    """Words with a weight, over all labels."""
    rules: str
    """The tree, as text."""


def fit_surrogate(texts: Sequence[str], answers: Sequence[str], *, seed: int = 0) -> Surrogate:
    """Fit both on a model's answers; measure them on held-out texts.

    Args:
        texts: documents like those that the model is for.
        answers: the model's label for each.
        seed: of the split.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from scipy.sparse import csr_array
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier, export_text

    encoder = fit_ngrams(texts, _FEATURES)
    number = {ngram: place for place, ngram in enumerate(encoder.ngrams)}
    rows = [sorted({number[ngram] for ngram in ngrams_of(text, encoder.unit) if ngram in number}) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    table = csr_array((np.ones(starts[-1]), np.concatenate([np.array(row, np.int32) for row in rows]), starts), (len(rows), len(number)))
    order = np.random.default_rng(seed).permutation(len(texts))
    held = max(1, round(_HELD_OUT * len(texts)))
    test, train, labels = order[:held], order[held:], np.array(answers)
    if len(set(labels[train])) == 1:  # the only other answers were drawn for the test: learn from them all
        train = order
    linear = LinearSVC(penalty="l1", dual=False, C=0.5, random_state=seed)  # pyright: ignore[reportArgumentType]  a number in its stubs
    linear.fit(table[train], labels[train])
    tree = DecisionTreeClassifier(max_depth=_DEPTH, random_state=seed).fit(table[train], labels[train])
    agrees = [int(np.sum(model.predict(table[test]) == labels[test])) for model in (linear, tree)]
    weights = linear.coef_ if len(linear.classes_) > 2 else np.stack([-linear.coef_[0], linear.coef_[0]])
    counts = np.unique(labels[test], return_counts=True)[1]
    return Surrogate(
        texts=held, majority=float(counts.max() / held), linear=agrees[0] / held, linear_bounds=wilson(agrees[0] / held, held),
        tree=agrees[1] / held, tree_bounds=wilson(agrees[1] / held, held),
        words={
            str(label): [(encoder.ngrams[place], float(row[place])) for place in np.argsort(-row)[:_TOLD] if row[place] > 0]
            for label, row in zip(linear.classes_, weights, strict=True)
        },
        features=int((weights != 0).any(axis=0).sum()),
        rules=str(export_text(tree, feature_names=list(encoder.ngrams), max_depth=_DEPTH)),
    )  # fmt: skip
