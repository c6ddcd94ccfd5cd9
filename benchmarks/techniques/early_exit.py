"""Early exit at its best: two graphs, one of the first layers with a head of its own, one of the others, which only unsure documents reach.

The head is a logistic regression on the mean of the states, fitted on train; the least confidence with which a document may leave is
chosen on dev so that the whole loses at most 0.2 points there (Xin et al. 2020, DeeBERT, trains its heads; so its exits are surer).

PYTHONPATH=benchmarks/techniques:benchmarks/frontier python -m early_exit FOLDER WORKLOAD.json   times it
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.data.dataset import Dataset
from smelt.models.transformer import TransformerNetwork, layers_of
from smelt.runtime.clock import read_workload
from smelt.tasks.classify import ClassifyCodec, load_codec
from smelt.tasks.padding import pad

FIRST_LAYERS = 3
MAY_LOSE = 0.002
BATCH = 64


@dataclass(frozen=True)
class Exits:
    """What was written, the answers on dev, and the share of documents that leave early."""

    folder: Path
    answers: NDArray[np.int64]
    share: float


class Beginning(torch.nn.Module):
    """Embeddings and the first layers: states, and the early head's scores."""

    def __init__(self, network: TransformerNetwork, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bert = network.with_layers(range(FIRST_LAYERS)).hugging_face.base_model
        self.bert.set_attn_implementation("eager")
        self.weight, self.bias = weight, bias

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return states, _mean(states, mask) @ self.weight.T + self.bias


class Ending(torch.nn.Module):
    """The other layers, pooler and classifier."""

    def __init__(self, network: TransformerNetwork) -> None:
        super().__init__()
        whole = network.with_layers(range(FIRST_LAYERS, network.depth)).hugging_face
        whole.set_attn_implementation("eager")
        self.layers, self.pooler, self.classifier = layers_of(whole), whole.base_model.pooler, whole.classifier

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        hidden = (1.0 - mask[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
        for layer in self.layers:
            done = layer(states, attention_mask=hidden)
            states = done[0] if isinstance(done, tuple) else done
        return self.classifier(self.pooler(states))


def write(network: TransformerNetwork, codec: ClassifyCodec, dataset: Dataset, folder: Path) -> Exits:
    """Fit the early head, export both graphs, choose the confidence."""
    from sklearn.linear_model import LogisticRegression

    folder.mkdir()
    network = network.eval()
    classes = len(codec.labels)
    taught = np.random.default_rng(0).permutation(len(dataset.train))[:4000]
    blank = Beginning(network, torch.zeros(classes, network.hugging_face.config.hidden_size), torch.zeros(classes)).eval()
    means = _means(blank, codec, dataset.train.texts(taught))
    numbers = np.array([codec.labels.index(dataset.train.labels[row]) for row in taught])
    found = LogisticRegression(C=1.0, max_iter=500).fit(means, numbers)
    weight = np.zeros((classes, means.shape[1]), np.float32)
    bias = np.full(classes, -100.0, np.float32)
    if classes == 2:
        weight[1], bias[:] = found.coef_[0], (0.0, float(found.intercept_[0]))
    else:
        weight[found.classes_], bias[found.classes_] = found.coef_, found.intercept_
    first = Beginning(network, torch.from_numpy(weight), torch.from_numpy(bias)).eval()
    _export(first, Ending(network).eval(), folder)
    codec.save(folder)
    return _chosen(Runner(folder, 2, 2.0), codec, dataset, folder)


def _chosen(runner: "Runner", codec: ClassifyCodec, dataset: Dataset, folder: Path) -> Exits:
    """Take the least confidence at which dev loses no more than allowed."""
    texts = dataset.dev.texts()
    labels = np.array([codec.labels.index(label) for label in dataset.dev.labels])
    parts = [runner.both(codec, texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    early, sure, late = (np.concatenate([part[number] for part in parts]) for number in range(3))
    goal = (late == labels).mean() - MAY_LOSE
    mixed = {bound: np.where(sure >= bound, early, late) for bound in np.unique(np.quantile(sure, np.linspace(0, 1, 101)))}
    bound = min((bound for bound, answers in mixed.items() if (answers == labels).mean() >= goal), default=2.0)
    (folder / "exit.json").write_text(json.dumps({"confidence": float(bound)}), encoding="utf-8")
    return Exits(folder, np.where(sure >= bound, early, late), float((sure >= bound).mean()))


def _means(first: Beginning, codec: ClassifyCodec, texts: list[str]) -> NDArray[np.float32]:
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            ids, mask = map(torch.from_numpy, pad(codec.encode(texts[start : start + BATCH])))
            found.append(_mean(first(ids, mask)[0], mask).numpy())
    return np.concatenate(found)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    shown = mask.unsqueeze(-1).to(states.dtype)
    return (states * shown).sum(1) / shown.sum(1)


def _export(first: Beginning, rest: Ending, folder: Path) -> None:
    from smelt.export.silence import quiet

    ids = torch.arange(14).reshape(2, 7) % 5 + 1
    whole, batch = {0: "batch", 1: "length"}, {0: "batch"}
    with quiet(), torch.inference_mode():
        states, _ = first(ids, torch.ones_like(ids))
    graphs = {
        "first.onnx": (first, {"ids": ids, "mask": torch.ones_like(ids)}, {"states": whole, "scores": batch}),
        "rest.onnx": (rest, {"states": states.clone(), "mask": torch.ones_like(ids)}, {"scores": batch}),
    }
    for name, (module, inputs, outputs) in graphs.items():
        with quiet():
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(folder / name),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=dict.fromkeys(inputs, whole) | outputs,
                opset_version=17,
                dynamo=False,
            )


class Runner:
    """Both graphs by ONNX Runtime."""

    def __init__(self, folder: Path, threads: int, bound: float) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._first, self._rest = (
            onnxruntime.InferenceSession((folder / name).read_bytes(), options, providers=["CPUExecutionProvider"])
            for name in ("first.onnx", "rest.onnx")
        )
        self._bound = bound

    def answer(self, codec: ClassifyCodec, texts: list[str]) -> NDArray[np.int64]:
        """Answer by the first head what it is sure of, the others by the whole."""
        ids, mask = pad(codec.encode(texts))
        states, scores = self._first.run(["states", "scores"], {"ids": ids, "mask": mask})
        answers, late = scores.argmax(1), np.flatnonzero(_confidence(scores) < self._bound)
        if len(late):
            answers[late] = self._rest.run(["scores"], {"states": states[late], "mask": mask[late]})[0].argmax(1)
        return answers

    def both(self, codec: ClassifyCodec, texts: list[str]) -> tuple[NDArray, NDArray, NDArray]:
        """Return the early answers, how sure they are, and the late ones."""
        ids, mask = pad(codec.encode(texts))
        states, scores = self._first.run(["states", "scores"], {"ids": ids, "mask": mask})
        late = self._rest.run(["scores"], {"states": states, "mask": mask})[0]
        return scores.argmax(1), _confidence(scores), late.argmax(1)


def _confidence(scores: NDArray) -> NDArray:
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return (shifted / shifted.sum(1, keepdims=True)).max(1)


def main(folder: str, workload: str) -> str:
    from clocks import time_calls  # of benchmarks/frontier; a process of its own finds it

    load, codec = read_workload(Path(workload)), load_codec(Path(folder))
    bound = json.loads((Path(folder) / "exit.json").read_text(encoding="utf-8"))["confidence"]
    runners = {threads: Runner(Path(folder), threads, bound) for threads in load.threads}
    current = runners[load.threads[0]]

    def choose(threads: int) -> None:
        nonlocal current
        current = runners[threads]

    return json.dumps(asdict(time_calls(lambda texts: current.answer(codec, texts), load, choose)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
