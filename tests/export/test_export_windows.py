"""A transformer that reads long documents by windows: live module and exported graph answer alike."""

import numpy as np
import pytest
import torch

from smelt.export.bundle import write_bundle
from smelt.models.build import build_model, load_model
from smelt.models.session import LiveSession
from smelt.recipe.model import ScratchTransformer, Vocabulary
from smelt.recipe.task import WindowsSection
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.manifest import Manifest, read_manifest

WORDS = ["bond", "yield", "coupon", "oil", "barrel", "crude", "rate", "hike", "cut", "basis"]
SECTION = ScratchTransformer(layers=2, dim=16, heads=2, feed_forward=24, max_tokens=8, vocabulary=Vocabulary(size=120))


@pytest.fixture(params=["mean", "max"])
def model(request):
    built = build_model(SECTION, ("a", "b", "c"), [" ".join(WORDS)], seed=0, windows=WindowsSection(most=3, pool=request.param))
    for parameter in built.network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return built


@pytest.fixture
def texts():
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(WORDS, size)) for size in (2, 6, 7, 13, 40)]


def test_a_document_is_read_as_far_as_the_windows_reach(model, texts):
    assert np.diff(model.codec.encode(texts).offsets).max() == model.codec.encoder.max_tokens == 8 + 2 * 4


def test_the_saved_model_reads_by_windows_too(model, texts, tmp_path):
    model.network.save(tmp_path)
    model.codec.save(tmp_path)
    opened = load_model(tmp_path)
    assert opened.network.windows == model.network.windows
    arrays = model.codec.encode(texts)
    ours, theirs = (LiveSession(network, threads=1).scores(arrays) for network in (opened.network, model.network))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_long_documents_score_as_the_mean_or_maximum_of_their_windows(model):
    body = " ".join(WORDS[:10])
    whole = LiveSession(model.network, threads=1).scores(model.codec.encode([body]))[0]
    parts = [WORDS[start : start + 6] for start in (0, 4)]
    scores = LiveSession(model.network, threads=1).scores(model.codec.encode([" ".join(part) for part in parts]))
    pooled = scores.mean(0) if model.network.windows.pool == "mean" else scores.max(0)
    np.testing.assert_allclose(whole, pooled, atol=1e-5)


@pytest.mark.parametrize("form", ["onnxruntime-fp32", "openvino-fp32", "openvino-int8"])
def test_the_exported_graph_answers_as_the_live_module(model, texts, form, tmp_path, monkeypatch):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    facts = Manifest(name="w", family="network", runtime="numpy", precision="fp32", text_column="text", isa="")
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(model.network, model.codec, form, facts, calibration=[model.codec.encode([text]) for text in texts], folder=folder)
    assert read_manifest(folder).windows == {"tokens": 8, "stride": 4, "pool": model.network.windows.pool}
    bundle = open_bundle(folder, threads=1)
    live = LiveSession(model.network, threads=1).scores(model.codec.encode(texts))
    np.testing.assert_allclose(score_texts(bundle.session, bundle.codec, texts), live, atol=1e-3 if "fp32" in form else 1.0)
