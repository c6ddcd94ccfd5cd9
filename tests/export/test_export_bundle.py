from dataclasses import replace

import numpy as np
import pytest

from smelt.errors import SmeltError
from smelt.export.bundle import Parity, Probe, check_parity, split_format, write_bundle
from smelt.models.session import LiveSession
from smelt.recipe.compress import Format
from smelt.runtime.bundle import open_bundle
from smelt.runtime.manifest import FILE, SEAL, Manifest, read_manifest
from smelt.tasks.padding import take

FACTS = Manifest(name="tiny", family="network", runtime="numpy", precision="fp32", text_column="body", isa="")
CODEC = ["codec.json", "labels.json", "tokenizer.json"]
GRAPHS = {"static": ["static.safetensors"], "cnn": ["model.onnx"], "gru": ["model.bin", "model.xml"], "lstm": ["model.onnx"]}
FORMS = {"static": "numpy-fp32", "cnn": "onnxruntime-fp32", "gru": "openvino-fp32", "lstm": "onnxruntime-int8"}


def bundle_of(network, codec, form, folder):
    folder.mkdir(exist_ok=True)
    write_bundle(network, codec, form, FACTS, calibration=(), folder=folder)
    return folder


def probe_of(network, arrays):
    return Probe(arrays=arrays, scores=LiveSession(network, threads=1).scores(arrays))


@pytest.fixture(scope="module", params=FORMS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def bundle(family, make_network, codec, tmp_path_factory):
    """A bundle of each family, in a format of each kind."""
    return bundle_of(make_network(family), codec, FORMS[family], tmp_path_factory.mktemp("bundle"))


def test_a_bundle_holds_what_its_manifest_lists_and_nothing_else(bundle, family):
    assert sorted(path.name for path in bundle.iterdir()) == sorted([*CODEC, *GRAPHS[family], FILE, SEAL])
    assert sorted(read_manifest(bundle).files) == sorted([*CODEC, *GRAPHS[family]])


def test_the_manifest_says_what_the_graph_is(bundle, family):
    manifest = read_manifest(bundle)
    assert f"{manifest.runtime}-{manifest.precision}" == FORMS[family]
    assert manifest.family == ("static" if family == "static" else "network")
    assert (manifest.name, manifest.text_column, manifest.certified) == ("tiny", "body", False)
    assert manifest.runtime in manifest.versions


def test_a_bundle_opens_and_answers_as_the_module(bundle, family, make_network, codec):
    texts = ["rate cut", "bond bond rate", "央 行", "cuts"]
    answers = open_bundle(bundle, threads=1).answers(texts)
    want = codec.decode(LiveSession(make_network(family), threads=1).scores(codec.encode(texts)))
    assert answers.predictions == want.predictions
    np.testing.assert_allclose(answers.probabilities, want.probabilities, atol=0.05 if family == "lstm" else 1e-4)


def test_parity_holds_for_the_module_that_was_exported(bundle, family, make_network, documents):
    parity = check_parity(bundle, probe_of(make_network(family), documents), 1)
    assert parity.same_answers >= 0.9
    assert parity.largest_difference < (1.0 if family == "lstm" else 1e-4)


def test_parity_fails_for_other_answers(bundle, family, make_network, documents):
    probe = probe_of(make_network(family), documents)
    with pytest.raises(SmeltError, match=r"tiny: the export differs from the model by .* \(0% equal answers"):
        check_parity(bundle, replace(probe, scores=-probe.scores), 1)


@pytest.mark.parametrize("family", ["static", "cnn"])
def test_parity_fails_for_a_module_of_other_weights(make_network, codec, documents, tmp_path, family):
    folder = bundle_of(make_network(family, seed=5), codec, FORMS[family], tmp_path)
    with pytest.raises(SmeltError, match="tiny: the export differs from the model by"):
        check_parity(folder, probe_of(make_network(family, seed=6), documents), 1)


def test_writing_a_bundle_says_nothing(make_network, codec, tmp_path, capfd):
    bundle_of(make_network("cnn"), codec, "onnxruntime-fp32", tmp_path)
    assert capfd.readouterr() == ("", "")


def test_parity_is_the_largest_difference_and_the_share_of_equal_answers(make_network, codec, documents, tmp_path):
    network = make_network("static")
    folder, probe = bundle_of(network, codec, "numpy-fp32", tmp_path), probe_of(network, documents)
    moved = probe.scores.copy()
    moved[4, 1] += 0.001
    found = check_parity(folder, replace(probe, scores=moved), 1)
    assert (found.largest_difference, found.same_answers) == (pytest.approx(0.001, rel=0.05), 1.0)


def test_a_difference_above_the_tolerance_fails_though_all_answers_are_equal(make_network, codec, documents, tmp_path):
    network = make_network("static")
    folder, probe = bundle_of(network, codec, "numpy-fp32", tmp_path), probe_of(network, documents)
    with pytest.raises(SmeltError, match="100% equal answers"):
        check_parity(folder, replace(probe, scores=probe.scores * 1.01), 1)


def test_scores_that_are_not_finite_fail_though_all_answers_are_equal(make_network, codec, documents, tmp_path):
    network = make_network("cnn")
    network.outer.bias.data[0] = 99
    probe = probe_of(network, documents)
    network.outer.bias.data[0] = float("nan")
    with pytest.raises(SmeltError, match=r"by nan \(100% equal answers"):
        check_parity(bundle_of(network, codec, "onnxruntime-fp32", tmp_path), probe, 1)


def test_no_documents_differ_in_nothing(make_network, codec, documents, tmp_path):
    network = make_network("static")
    probe = probe_of(network, take(documents, []))
    assert check_parity(bundle_of(network, codec, "numpy-fp32", tmp_path), probe, 1) == Parity(largest_difference=0.0, same_answers=1.0)


@pytest.mark.parametrize("form", Format.__args__)
def test_a_format_is_a_runtime_and_a_precision(form):
    assert "-".join(split_format(form)) == form
