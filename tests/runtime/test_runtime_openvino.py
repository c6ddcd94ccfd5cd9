import numpy as np
import pytest
import torch

from smelt.errors import BundleFault
from smelt.export.formats import write_graph
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.session import LiveSession
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.runtime.build import open_session
from smelt.runtime.isa import isa
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.runtime.openvino import GRAPH, OpenvinoSession
from smelt.tasks.padding import pad
from smelt.tasks.tokens import ragged

DOCUMENTS = [[2, 5, 3], [2, 9, 4, 4, 7, 10, 3], [6]]


@pytest.fixture(scope="module")
def cnn_graph(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("openvino")
    write_graph(CnnNetwork(CnnSizes(vocabulary=11, dim=6, filters=4, kernels=(2, 3), classes=3)), "openvino-fp32", [], folder)
    return folder


@pytest.fixture
def sealed_graph(cnn_graph, tmp_path):
    for path in cnn_graph.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def write(precision):
        facts = Manifest(name="tiny", family="network", runtime="openvino", precision=precision, text_column="text", isa="")
        seal(tmp_path, facts)
        return tmp_path, read_manifest(tmp_path)

    return write


@pytest.fixture
def state(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("SMELT_STATE", str(folder))
    return folder


@pytest.mark.parametrize("form", ["openvino-fp32", "onnxruntime-fp32"])
def test_an_exported_transformer_scores_as_the_live_one(tmp_path, form, state):
    torch.manual_seed(0)
    sizes = TransformerSizes(vocabulary=11, layers=2, dim=8, heads=2, feed_forward=12, dropout=0.1, max_tokens=16, classes=3)
    network = from_sizes(sizes).eval()
    live = LiveSession(network, threads=1).scores(ragged(DOCUMENTS))
    write_graph(network, form, [], tmp_path)
    seal(tmp_path, Manifest(name="t", family="network", runtime=form.split("-")[0], precision="fp32", text_column="text", isa=""))
    exported = open_session(tmp_path, read_manifest(tmp_path), 1).scores(ragged(DOCUMENTS))
    np.testing.assert_allclose(exported, live, atol=1e-5)


@pytest.mark.parametrize(("longest", "columns"), [(None, 7), (16, 8), (7, 7)])
def test_few_documents_are_padded_to_few_lengths_and_score_as_before(tmp_path, monkeypatch, longest, columns):
    torch.manual_seed(0)
    network = from_sizes(
        TransformerSizes(vocabulary=11, layers=2, dim=8, heads=2, feed_forward=12, dropout=0.1, max_tokens=16, classes=3)
    ).eval()
    write_graph(network, "openvino-fp32", [], tmp_path)
    session, widths = OpenvinoSession(tmp_path, precision="fp32", threads=1, longest=longest), []

    def noting(*given):
        found = pad(*given)
        widths.append(found[0].shape[1])
        return found

    monkeypatch.setattr("smelt.runtime.openvino.pad", noting)
    want = LiveSession(network, threads=1).scores(ragged(DOCUMENTS))
    np.testing.assert_allclose(session.scores(ragged(DOCUMENTS)), want, atol=1e-5)
    assert widths == [columns]
    session.scores(ragged(DOCUMENTS * 3))  # more documents are left as they are
    assert widths[-1] == 7


def test_a_graph_that_compiled_is_remembered_for_this_processor(sealed_graph, state):
    open_session(*sealed_graph("fp32"), 1)
    (memory,) = (state / "compiles").iterdir()
    assert isa() in memory.read_text(encoding="utf-8")


def test_what_is_remembered_of_this_processor_decides_the_precision(sealed_graph, state):
    folder, manifest = sealed_graph("bf16")
    open_session(folder, manifest, 1)
    (memory,) = (state / "compiles").iterdir()
    memory.write_text(f'{{"isa": "{isa()}", "precision": "fp32"}}', encoding="utf-8")
    assert open_session(folder, manifest, 1).precision == "fp32"


def test_a_graph_that_ends_the_trial_is_refused_with_a_next_step(sealed_graph, state):
    folder, _ = sealed_graph("fp32")
    (folder / GRAPH).write_bytes(b"<net/>")
    with pytest.raises(BundleFault, match="OpenVINO ends on this processor") as caught:
        open_session(*sealed_graph("fp32"), 1)
    assert "export/reference" in caught.value.step
    assert not (state / "compiles").exists()


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_sealed_bundle_without_its_graph_is_refused(sealed_graph, state, name):
    folder, _ = sealed_graph("fp32")
    (folder / name).unlink()
    with pytest.raises(BundleFault, match=name):
        open_session(*sealed_graph("fp32"), 1)


@pytest.mark.parametrize(
    "raw", [b"", b"<net", b"<net/>", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><net>&b;</net>']
)
def test_what_is_no_graph_is_refused(tmp_path, raw):
    (tmp_path / GRAPH).write_bytes(raw)
    with pytest.raises(BundleFault):
        OpenvinoSession(tmp_path, precision="fp32", threads=1)


def test_a_missing_graph_is_refused(tmp_path):
    with pytest.raises(BundleFault):
        OpenvinoSession(tmp_path, precision="fp32", threads=1)
