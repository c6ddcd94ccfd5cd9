"""What each family becomes in each format. The formats of CNN and static networks are also in tests/contracts."""

import numpy as np
import pytest
import torch

from smelt.export.bundle import split_format
from smelt.export.formats import flips, formats_of, layer_names, write_graph
from smelt.models.session import LiveSession
from smelt.runtime.build import open_session
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.tasks.padding import take

FORMATS = ("openvino-fp32", "openvino-bf16", "openvino-int8", "onnxruntime-fp32", "onnxruntime-int8")
PAIRS = [
    ("static", "numpy-fp32"),
    *(("transformer", form) for form in FORMATS),
    *(("gru", form) for form in ("openvino-fp32", "openvino-int8", "onnxruntime-fp32", "onnxruntime-int8")),
    ("lstm", "onnxruntime-fp32"),
    ("rnn", "onnxruntime-fp32"),
    ("cnn", "onnxruntime-fp32"),
]
FILES = {"numpy": ["static.safetensors"], "openvino": ["model.bin", "model.xml"], "onnxruntime": ["model.onnx"]}


class Opened:
    """An export of one family in one format, beside the live module it was made from."""

    def __init__(self, network, form, calibration, folder):
        self.form, self.precision = form, form.split("-")[1]
        self.live = LiveSession(network, threads=1)
        write_graph(network, form, calibration, folder)
        self.files = sorted(path.name for path in folder.iterdir())
        runtime, precision = split_format(form)
        family = "static" if runtime == "numpy" else "network"
        seal(folder, Manifest(name="tiny", family=family, runtime=runtime, precision=precision, text_column="text", isa=""))
        self.session = open_session(folder, read_manifest(folder), 1)

    def scores(self, arrays):
        """Scores of the export and of the live module."""
        return self.session.scores(arrays), self.live.scores(arrays)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def opened(request, tmp_path_factory, make_network, documents):
    family, form = request.param
    calibration = [take(documents, [row]) for row in range(8)]
    return Opened(make_network(family), form, calibration, tmp_path_factory.mktemp("graph"))


def clear(scores):
    """Rows whose best class leads by more than a tenth of all scores' spread."""
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - ordered[:, -2] > 0.1 * np.ptp(scores)


def test_the_folder_holds_the_graph_and_nothing_else(opened):
    assert opened.files == FILES[opened.session.runtime]


def test_scores_are_those_of_the_live_module(opened, documents):
    ours, live = opened.scores(documents)
    if opened.precision == "fp32":
        np.testing.assert_allclose(ours, live, atol=1e-4)
    else:
        assert np.abs(ours - live).mean() < 0.08 * np.ptp(live)


def test_answers_that_are_clear_are_those_of_the_live_module(opened, documents):
    ours, live = opened.scores(documents)
    rows = clear(live)
    assert rows.sum() > 5
    assert (ours.argmax(1) == live.argmax(1))[rows].mean() >= (0.85 if opened.precision == "int8" else 1.0)


@pytest.mark.parametrize("rows", [[0], [3], [5, 1], [0, 2, 4, 6, 8, 10, 12]], ids=["longest", "one", "two", "seven"])
def test_any_batch_size_and_length_is_scored(opened, documents, rows):
    ours, live = opened.scores(take(documents, rows))
    assert ours.shape == (len(rows), 3)
    if opened.precision == "fp32":
        np.testing.assert_allclose(ours, live, atol=1e-4)


@pytest.mark.parametrize(("family", "want"), [("static", ("numpy-fp32",)), ("cnn", FORMATS), ("lstm", FORMATS), ("transformer", FORMATS)])
def test_formats_are_those_that_hold_the_network(make_network, family, want):
    assert formats_of(make_network(family)) == want


def test_a_network_is_not_changed_by_its_export(make_network, documents, tmp_path):
    network, twin = make_network("transformer"), make_network("transformer")
    write_graph(network, "onnxruntime-fp32", (), tmp_path)
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in network.state_dict().items())
    assert network.hugging_face.config._attn_implementation == twin.hugging_face.config._attn_implementation
    np.testing.assert_array_equal(LiveSession(network, threads=1).scores(documents), LiveSession(twin, threads=1).scores(documents))


@pytest.mark.parametrize(("form", "want"), [("onnxruntime-fp32", False), ("onnxruntime-int8", True)])
def test_only_int8_multiplies_whole_numbers(make_network, tmp_path, form, want):
    write_graph(make_network("transformer"), form, (), tmp_path)
    assert (b"MatMulInteger" in (tmp_path / "model.onnx").read_bytes()) == want


@pytest.mark.parametrize("form", ["onnxruntime-int8", "openvino-int8"])
def test_exporters_say_nothing(make_network, documents, tmp_path, capfd, form):
    write_graph(make_network("cnn"), form, [take(documents, [row]) for row in range(3)], tmp_path)
    assert capfd.readouterr() == ("", "")


def test_layers_are_found_by_their_names():
    names = ["/bert/encoder/layer.10/output/MatMul", "/bert/encoder/layer.2/a", "/bert/encoder/layer.2/b", "/pooler/MatMul", "layer.7"]
    assert layer_names(names) == ["layer.2", "layer.10"]


def test_flips_are_counted():
    assert flips(np.array([[1, 2], [3, 0], [0, 1], [5, 4]]), np.array([[1, 2], [0, 3], [0, 1], [4, 5]])) == 0.5


def test_where_int8_changes_too_many_answers_a_layer_goes_back_to_fp32(make_network, documents, tmp_path, monkeypatch):
    network, calibration = make_network("transformer"), [take(documents, [row]) for row in range(8)]
    counts = []
    for place, changed in (("whole", [0.0]), ("restored", [1.0, 0.0]), ("given up", [1.0, 1.0, 1.0])):
        told = iter(changed)
        monkeypatch.setattr("smelt.export.formats.flips", lambda *_, told=told: next(told))
        (tmp_path / place).mkdir()
        write_graph(network, "openvino-int8", calibration, tmp_path / place)
        counts.append((tmp_path / place / "model.xml").read_text(encoding="utf-8").count('type="FakeQuantize"'))
    assert 0 < counts[1] < counts[0]
    assert counts[2] == counts[1]  # of two layers one stays in int8, whatever it changes
