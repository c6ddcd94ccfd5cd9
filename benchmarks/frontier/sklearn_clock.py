"""A peer: scikit-learn's TF-IDF and linear support vector machine, asked through its own pipeline.

PYTHONPATH=benchmarks/frontier python -m sklearn_clock FOLDER WORKLOAD.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from clocks import time_calls
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from smelt.data.dataset import Dataset
from smelt.runtime.clock import read_workload

KINDS = ({"analyzer": "word", "ngram_range": (1, 2)}, {"analyzer": "char", "ngram_range": (1, 3)})
"""Words and their pairs; characters, for text without spaces. What is better on dev is timed."""


def fit(dataset: Dataset, folder: Path) -> float:
    """Fit both kinds on train, save the one that is better on dev; return its accuracy on confirm."""
    best = max((_fitted(dataset, kind) for kind in KINDS), key=lambda found: found[0])
    _, kind, pipeline = best
    vectorizer, machine = pipeline[0], pipeline[1]
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"kind": kind, "vocabulary": vectorizer.get_feature_names_out().tolist(), "classes": machine.classes_.tolist()}
    (folder / "pipeline.json").write_text(json.dumps(facts), encoding="utf-8")
    tensors = {"idf": vectorizer.idf_, "coef": np.ascontiguousarray(machine.coef_), "intercept": machine.intercept_}
    save_file(tensors, folder / "linear.safetensors")
    return _accuracy(_open(folder), dataset.confirm.texts(), dataset.confirm.labels)


def _fitted(dataset: Dataset, kind: dict) -> tuple[float, dict, Pipeline]:
    pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True, **kind), LinearSVC(C=0.5, random_state=0))
    pipeline.fit(dataset.train.texts(), dataset.train.labels)
    return _accuracy(pipeline, dataset.dev.texts(), dataset.dev.labels), kind, pipeline


def _open(folder: Path) -> Pipeline:
    facts, tensors = json.loads((folder / "pipeline.json").read_text(encoding="utf-8")), load_file(folder / "linear.safetensors")
    kind = facts["kind"] | {"ngram_range": tuple(facts["kind"]["ngram_range"])}
    vectorizer, machine = TfidfVectorizer(sublinear_tf=True, vocabulary=facts["vocabulary"], **kind), LinearSVC()
    vectorizer.idf_ = tensors["idf"]
    machine.coef_, machine.intercept_, machine.classes_ = tensors["coef"], tensors["intercept"], np.array(facts["classes"])
    return make_pipeline(vectorizer, machine)


def _accuracy(pipeline: Pipeline, texts: list[str], labels: list[str]) -> float:
    return float((pipeline.predict(texts) == np.array(labels)).mean())


def main(folder: str, workload: str) -> str:
    pipeline = _open(Path(folder))
    return json.dumps(asdict(time_calls(pipeline.predict, read_workload(Path(workload)), lambda _threads: None)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
