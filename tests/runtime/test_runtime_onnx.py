import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from smelt.errors import BundleFault
from smelt.runtime.onnx import GRAPH, OnnxSession
from smelt.tasks.tokens import ragged

WEIGHTS = np.array([[1, -1, 0.5]], np.float32)


def graph(weights, domain=""):
    """Scores are the number of tokens times `weights`."""
    nodes = [
        helper.make_node("Cast", ["mask"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "axis"], ["tokens"], keepdims=1),
        helper.make_node("Mul", ["tokens", "weights"], ["scores"], domain=domain),
    ]
    tensors = [weights, numpy_helper.from_array(np.array([1], np.int64), "axis")]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "S"]) for name in ("ids", "mask")]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", 3])]
    return helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs, tensors), ir_version=9, opset_imports=[helper.make_opsetid("", 17)]
    )


def inside():
    return numpy_helper.from_array(WEIGHTS, "weights")


def outside(location, **more):
    """A tensor whose bytes are said to lie in another file."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1, 3], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def open_graph(folder, model):
    (folder / GRAPH).write_bytes(model.SerializeToString() if isinstance(model, onnx.ModelProto) else model)
    return OnnxSession(folder, precision="fp32", threads=1)


def test_scores_are_those_of_the_graph(tmp_path):
    scores = open_graph(tmp_path, graph(inside())).scores(ragged([[7, 7], [7], []]))
    np.testing.assert_allclose(scores, [[2, -2, 1], [1, -1, 0.5], [0, 0, 0]])


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd", "", ".", "model.onnx"])
def test_a_graph_that_names_other_files_is_refused(tmp_path, monkeypatch, location):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleFault, match="names files outside"):
        open_graph(tmp_path, graph(outside(location)))


def test_a_graph_that_names_a_part_of_another_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes() * 9)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleFault):
        open_graph(tmp_path, graph(outside("weights.bin", offset="12", length="12")))


@pytest.mark.parametrize("raw", [b"", b"\x00" * 64, b"not a graph", b"\xff" * 4096], ids=["empty", "zeros", "text", "ones"])
def test_what_is_no_graph_is_refused(tmp_path, raw):
    with pytest.raises(BundleFault):
        open_graph(tmp_path, raw)


@pytest.mark.parametrize("size", [10, 60, -9])
def test_a_cut_graph_is_refused(tmp_path, size):
    with pytest.raises(BundleFault):
        open_graph(tmp_path, graph(inside()).SerializeToString()[:size])


def test_a_graph_of_unknown_operators_is_refused(tmp_path):
    with pytest.raises(BundleFault):
        open_graph(tmp_path, graph(inside(), domain="evil"))
