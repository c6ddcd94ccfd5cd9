import logging

import numpy as np
import pytest
import scipy.special

import smelt
from smelt.errors import BundleFault, UsageFault
from smelt.models.session import LiveSession
from smelt.runtime.bundle import open_bundle, score_texts

TEXTS = ["rate cut", "", "bond " * 40, "央行", "rate cuts bond", "cut"] * 11


@pytest.fixture(scope="module")
def bundle(sealed_bundle):
    return open_bundle(sealed_bundle, threads=1)


def test_answers_are_those_of_the_live_network_one_by_one(bundle, static_network, codec):
    live = LiveSession(static_network, threads=1)
    scores = np.concatenate([live.scores(codec.encode([text])) for text in TEXTS])
    answers = bundle.answers(TEXTS)
    assert answers.predictions == [codec.labels[number] for number in scores.argmax(axis=1)]
    np.testing.assert_allclose(answers.probabilities, scipy.special.softmax(scores / 1.5, axis=1), atol=1e-5)


def test_predictions_are_labels_in_the_order_of_the_texts(bundle):
    predictions = bundle.predict(TEXTS)
    assert predictions == [bundle.predict([text])[0] for text in TEXTS]
    assert set(predictions) == set(bundle.labels)


def test_no_texts_are_no_predictions(bundle):
    assert bundle.predict([]) == []


def test_one_string_is_a_usage_fault_that_shows_how_to_write_it(bundle):
    with pytest.raises(UsageFault, match="got one string") as caught:
        bundle.predict("rate cut")
    assert 'predict(["…"])' in caught.value.step


def test_the_labels_are_those_of_the_task(bundle):
    assert bundle.labels == ("down", "up", "中")


def test_smelt_load_opens_a_bundle(sealed_bundle):
    assert smelt.load(str(sealed_bundle)).predict(["rate"]) == open_bundle(sealed_bundle).predict(["rate"])


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_scores_do_not_depend_on_the_batch_size(bundle, batch):
    wanted = score_texts(bundle.session, bundle.codec, TEXTS)
    np.testing.assert_allclose(score_texts(bundle.session, bundle.codec, TEXTS, batch=batch), wanted, atol=1e-5)


def test_a_bundle_certified_on_another_processor_warns(bundle_folder, reseal, caplog):
    reseal(bundle_folder, certified=True, precision="int8", isa="sparc64 vis3")
    with caplog.at_level(logging.WARNING, "smelt"):
        open_bundle(bundle_folder)
    assert "sparc64 vis3" in caplog.text


@pytest.mark.parametrize("changes", [{"certified": False, "precision": "int8"}, {"certified": True, "precision": "fp32"}])
def test_a_bundle_without_a_certificate_or_in_fp32_does_not_warn(bundle_folder, reseal, caplog, changes):
    reseal(bundle_folder, isa="sparc64 vis3", **changes)
    with caplog.at_level(logging.WARNING, "smelt"):
        open_bundle(bundle_folder)
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["codec.json", "labels.json", "tokenizer.json", "static.safetensors"])
def test_a_sealed_bundle_that_lacks_a_part_is_refused(bundle_folder, reseal, name):
    (bundle_folder / name).unlink()
    reseal(bundle_folder)
    with pytest.raises(BundleFault):
        open_bundle(bundle_folder)


def test_a_sealed_bundle_of_another_runtime_is_refused(bundle_folder, reseal):
    reseal(bundle_folder, runtime="onnxruntime")
    with pytest.raises(BundleFault):
        open_bundle(bundle_folder)
