"""One thread, a transformer of four layers, and a tiny search."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from smelt.compress.trial import Search
from smelt.models.build import build_model
from smelt.models.session import LiveSession
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.recipe.compress import Cnn, Compress, Static
from smelt.recipe.model import CnnModel, ScratchTransformer, StaticModel, Vocabulary
from smelt.recipe.train import Train
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder
from smelt.runtime.bench import Workload
from smelt.runtime.manifest import read_manifest
from smelt.train.rows import encode_rows
from smelt.types import Timing

LABELS = ("bonds", "oil", "rates")
WORDS = {"bonds": "yield coupon maturity", "oil": "barrel crude drilling", "rates": "hike cut basis"}
VOCABULARY = Vocabulary(size=120)
MODELS = {
    "cnn": CnnModel(dim=8, filters=6, kernels=(2,), vocabulary=VOCABULARY),
    "transformer": ScratchTransformer(layers=3, dim=16, heads=2, feed_forward=64, max_tokens=16, vocabulary=VOCABULARY),
    "static": StaticModel(dim=8, hidden=7, vocabulary=VOCABULARY),
}
TIMING = Timing(
    latency_ms_p50=2.0, latency_ms_p99=3.0, examples_per_s=400.0, spread=0.1, batch=32, threads=2, latency_threads=1, peak_rss_bytes=5_000
)
STUDENTS = (Static(hidden=9, epochs=2), Cnn(filters=4, kernels=(2, 3), epochs=2))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def transformer():
    torch.manual_seed(2)
    sizes = TransformerSizes(vocabulary=13, layers=4, dim=8, heads=2, feed_forward=12, dropout=0.1, max_tokens=16, classes=3)
    network = from_sizes(sizes).eval()
    for name, parameter in network.named_parameters():
        if not name.endswith("LayerNorm.weight"):
            torch.nn.init.normal_(parameter, std=0.5)  # BERT's own start is so small that every layer does the same
    return network


def tiny_texts(count, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=count)
    return [" ".join(generator.choice(WORDS[LABELS[label]].split(), 2 + number % 4)) for number, label in enumerate(labels)], labels


@pytest.fixture
def heard():
    """Steps of students, as the watcher hears them."""
    return []


@pytest.fixture
def timed():
    """Candidates that were timed."""
    return []


@pytest.fixture
def make_plan(tmp_path, monkeypatch, heard, timed):
    """A search over a run folder whose earlier stages stand, as the pipeline leaves them."""
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))

    def make(kind="cnn", **section):
        train, dev = tiny_texts(61, seed=1), tiny_texts(23, seed=2)
        model = build_model(MODELS[kind], LABELS, train[0], seed=0)
        rows, dev_rows = (
            encode_rows(lambda part, texts=texts: texts[part], labels, model.codec.encode, tmp_path / f"{len(texts)}.ids")
            for texts, labels in (train, dev)
        )
        run = RunFolder(tmp_path / "run", Disk())
        run.stage("train", {}, lambda folder, _work: model.network.save(folder))
        run.write_json("workload.json", asdict(Workload(singles=dev[0][:3], documents=dev[0][:7], rounds=1)))
        return Search(
            section=Compress(**({"students": STUDENTS, "formats": ("numpy-fp32", "onnxruntime-fp32"), "finalist_seeds": 0} | section)),
            train=Train(batch_examples=16, precision="fp32", threads=1),
            reference=model,
            rows=rows,
            dev=dev_rows,
            train_texts=lambda rows=None: train[0] if rows is None else [train[0][row] for row in rows],
            dev_texts=dev[0],
            more_texts=(),
            reference_dev=LiveSession(model.network, threads=1).scores(dev_rows.arrays).argmax(1),
            name="reference",
            least_dev_score=0.0,
            text_column="text",
            workload=run.path / "workload.json",
            seconds=60.0,
            inputs={},
            run=run,
            clock=lambda folder, _workload, _module: timed.append(read_manifest(folder).name) or TIMING,
            chance=lambda lost, won, n: float(lost <= won),
            cost=lambda candidate: candidate.latency_ms_p50,
            watch=lambda name, step, _facts: heard.append((name, step.step)) if step else None,
        )

    return make
