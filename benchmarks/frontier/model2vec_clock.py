"""A peer: model2vec's static embeddings of the same encoder, and scikit-learn's logistic regression on them."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from clocks import time_calls
from model2vec import StaticModel
from safetensors.numpy import load_file, save_file

from smelt.data.dataset import Dataset
from smelt.models.folder import MINILM, find_weights
from smelt.runtime.clock import read_workload


def fit(dataset: Dataset, folder: Path) -> float:
    """Distill the embeddings, fit the classifier on train, save both; return its accuracy on confirm."""
    from model2vec.distill import distill_from_model
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from transformers import AutoModel, PreTrainedTokenizerFast

    weights = find_weights(MINILM, "main")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(weights / "tokenizer.json"), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    embeddings = distill_from_model(model=AutoModel.from_pretrained(weights), tokenizer=tokenizer, pca_dims=256)
    folder.mkdir(parents=True, exist_ok=True)
    embeddings.save_pretrained(str(folder))
    search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": [0.1, 1.0, 10.0, 100.0]}, cv=3, n_jobs=2)
    fitted = make_pipeline(StandardScaler(), search).fit(embeddings.encode(dataset.train.texts()), dataset.train.labels)
    scaler, best = fitted[0], fitted[1].best_estimator_
    coefficients = best.coef_ if len(best.classes_) > 2 else np.concatenate([-best.coef_, best.coef_])
    intercept = best.intercept_ if len(best.classes_) > 2 else np.array([-best.intercept_[0], best.intercept_[0]])
    weight = (coefficients / scaler.scale_).astype(np.float32)
    save_file({"weight": weight, "bias": (intercept - weight @ scaler.mean_).astype(np.float32)}, folder / "linear.safetensors")
    answers = fitted.predict(embeddings.encode(dataset.confirm.texts()))
    return float((answers == np.array(dataset.confirm.labels)).mean())


def main(folder: str, workload: str) -> str:
    load, embeddings = read_workload(Path(workload)), StaticModel.from_pretrained(folder)
    linear = load_file(Path(folder) / "linear.safetensors")

    def answer(texts: list[str]) -> np.ndarray:
        return (embeddings.encode(texts, use_multiprocessing=False) @ linear["weight"].T + linear["bias"]).argmax(axis=1)

    return json.dumps(asdict(time_calls(answer, load, lambda _threads: None)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
