"""From a torch module to an ONNX graph: inputs `ids` and `mask` (int64, (B, S)), output `scores`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from smelt.export.silence import quiet
from smelt.models.network import Network
from smelt.models.transformer import TransformerNetwork
from smelt.runtime.onnx import GRAPH

_OPSET = 17


def write_onnx(network: Network, folder: Path) -> Path:
    """Trace a module into `model.onnx`, fp32, any batch size and length.

    The TorchScript exporter with plain attention is used because ONNX Runtime recognizes and fuses its graphs; it is also 8 times
    quicker than the newer one.
    """
    network = network.cpu().eval()
    example = torch.arange(14).reshape(2, 7) % 5 + 1
    axes = {0: "batch", 1: "length"}
    path = folder / GRAPH
    with _plain_attention(network), quiet():
        torch.onnx.export(
            network,
            (example, torch.ones_like(example)),
            str(path),
            input_names=["ids", "mask"],
            output_names=["scores"],
            dynamic_axes={"ids": axes, "mask": axes, "scores": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return path


@contextlib.contextmanager
def _plain_attention(network: Network) -> Iterator[None]:
    if not isinstance(network, TransformerNetwork):
        yield
        return
    before, windows = network.hugging_face.config._attn_implementation or "sdpa", network.windows
    network.windows = None
    network.hugging_face.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.hugging_face.set_attn_implementation(before)
        network.windows = windows
