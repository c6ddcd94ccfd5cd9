"""Rounding as int8 does: what ONNX Runtime's dynamic quantization computes, with a gradient that passes through."""

import numpy as np
import pytest
import torch
from torch import nn

from smelt.compress.fake_quantize import fake_quantized, quantized_loss, round_activation, round_weight
from smelt.models.cnn import CnnNetwork, CnnSizes


def test_weights_lie_on_127_steps_of_each_row():
    weight = torch.tensor([[1.0, -0.5, 0.004], [0.0, 0.0, 0.0]])
    assert round_weight(weight)[0].tolist() == pytest.approx([1.0, -64 / 127, 1 / 127])
    assert round_weight(weight)[1].tolist() == [0, 0, 0]


def test_activations_lie_on_255_steps_with_zero_among_them():
    value = torch.tensor([-1.0, 0.0, 0.013, 2.0])
    step = 3 / 255
    assert round_activation(value).tolist() == pytest.approx([-1.0, 0.0, step, 2.0], abs=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_rounded_layer_computes_what_onnxruntime_does(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    torch.manual_seed(0)
    layer = nn.Linear(24, 7).eval()
    value = torch.randn(5, 24)
    torch.onnx.export(layer, (value,), str(tmp_path / "a.onnx"), input_names=["x"], output_names=["y"], dynamo=False)
    quantize_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", weight_type=QuantType.QInt8, per_channel=True)
    (want,) = onnxruntime.InferenceSession(tmp_path / "b.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": value.numpy()})
    with fake_quantized(layer):
        ours = layer(value).detach().numpy()
    np.testing.assert_allclose(ours, want, atol=2e-2)
    assert np.abs(ours - want).mean() < np.abs(layer(value).detach().numpy() - want).mean()


def test_the_gradient_passes_as_if_nothing_were_rounded_and_the_layer_is_itself_again():
    layer = nn.Linear(3, 2)
    value = torch.randn(4, 3)
    with fake_quantized(layer):
        layer(value).sum().backward()
    torch.testing.assert_close(layer.bias.grad, torch.full((2,), 4.0))
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer(value), nn.functional.linear(value, layer.weight, layer.bias))


def test_the_loss_is_that_of_the_rounded_network():
    torch.manual_seed(0)
    network = CnnNetwork(CnnSizes(vocabulary=9, dim=8, filters=4, kernels=(2,), classes=3, dropout=0.0))
    ids, mask = torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.int64)
    loss = quantized_loss(lambda net, _batch: net(ids, mask).sum())
    with fake_quantized(network):
        want = network(ids, mask).sum()
    assert loss(network, None).item() == pytest.approx(want.item())
    assert want.item() != network(ids, mask).sum().item()
