"""Write a model's graph in a runtime's own format and precision."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

import numpy as np
from safetensors.numpy import save_file

from smelt.export.graph import write_onnx
from smelt.export.silence import quiet
from smelt.models.network import Network
from smelt.models.rnn import RnnNetwork
from smelt.models.static import StaticNetwork
from smelt.recipe.compress import Format
from smelt.runtime import openvino as openvino_runtime
from smelt.runtime import static as static_runtime
from smelt.tasks.padding import pad
from smelt.types import Arrays

_JUDGED = 200
"""Documents on which static int8 is held against fp32."""
_FLIPS = 0.05
"""Share of their answers that may change before layers go back to fp32."""
_MOST_RESTORED = 2
"""Layers that go back at most: each costs as many trials as there are layers."""


def formats_of(network: Network) -> tuple[Format, ...]:
    """Return the formats that can hold a network. numpy runs static ones only, and for these it is the fastest."""
    if isinstance(network, StaticNetwork):
        return ("numpy-fp32",)
    return ("openvino-fp32", "openvino-bf16", "openvino-int8", "onnxruntime-fp32", "onnxruntime-int8")


def write_graph(network: Network, form: Format, calibration: Sequence[Arrays], folder: Path) -> None:
    """Fill a folder with the graph files of one format.

    Args:
        network: to export; it is not changed.
        form: runtime and precision.
        calibration: encoded training documents, one per batch, that set the ranges of static int8.
        folder: to fill.
    """
    match form:
        case "numpy-fp32":
            assert isinstance(network, StaticNetwork)
            _write_static(network, folder)
        case "onnxruntime-fp32":
            write_onnx(network, folder)
        case "onnxruntime-int8":
            _quantize_dynamic(write_onnx(network, folder))
        case "openvino-fp32" | "openvino-bf16" | "openvino-int8":
            smooth = not isinstance(network, RnnNetwork)
            _write_openvino(write_onnx(network, folder), calibration if form == "openvino-int8" else None, folder, smooth=smooth)
        case _:
            assert_never(form)


def _write_static(network: StaticNetwork, folder: Path) -> None:
    """Bake the softmax over a document's tokens into one positive weight per token."""
    state = {name: tensor.detach().float().numpy() for name, tensor in network.state_dict().items()}
    weight = np.exp(state["weight.weight"] - state["weight.weight"].max())
    tensors = {
        "embedding": state["embedding.weight"],
        "weight": np.maximum(weight, np.float32(1e-12)),
        "norm_scale": state["norm.weight"],
        "norm_shift": state["norm.bias"],
        "inner": state["inner.weight"],
        "inner_bias": state["inner.bias"],
        "outer": state["outer.weight"],
        "outer_bias": state["outer.bias"],
    }
    strongest = float(state["weight.weight"].max())
    if network.starts is not None:
        tensors |= {name: np.maximum(np.exp(state[name] - state[name].max()), np.float32(1e-12)) for name in ("starts", "ends")}
        strongest += float(state["starts"].max() + state["ends"].max())
    if network.pairs is not None:
        tensors |= _pairs_of(network, state, strongest)
    save_file({name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}, folder / static_runtime.GRAPH)


def _pairs_of(network: StaticNetwork, state: Mapping[str, np.ndarray], strongest: float) -> dict[str, np.ndarray]:
    """Return the pairs that can occur: their tokens as two whole numbers, their vectors and positive weights."""
    keys, size = network.pair_keys.numpy(), network.embedding.num_embeddings
    known = keys >= 0
    tokens = np.stack([keys[known] // size, keys[known] % size], axis=1)
    weight = np.exp(state["pair_weight.weight"][known] - strongest)
    if not known.any():
        return {}
    return {"pair_tokens": tokens, "pairs": state["pairs.weight"][known], "pair_weight": np.maximum(weight, np.float32(1e-12))}


def _quantize_dynamic(path: Path) -> None:
    """Turn the weights of matrix products into int8; activations follow at run time. Replaces the file."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    raw = path.with_suffix(".fp32")
    path.rename(raw)
    with quiet():
        quantize_dynamic(
            raw,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    raw.unlink()


def _write_openvino(onnx_path: Path, calibration: Sequence[Arrays] | None, folder: Path, *, smooth: bool) -> None:
    """Convert the ONNX graph, quantize it by NNCF where calibration documents are given, and remove the ONNX file."""
    import openvino

    with quiet():
        model = openvino.convert_model(onnx_path)
        if calibration is not None:
            model = _quantize_static(model, calibration, smooth=smooth)
        openvino.save_model(model, folder / openvino_runtime.GRAPH, compress_to_fp16=False)
    onnx_path.unlink()


def _quantize_static(model, calibration: Sequence[Arrays], *, smooth: bool):  # noqa: ANN001, ANN202
    """Post-training int8 of weights and activations; batches of one document, as NNCF asks of transformers.

    Without smoothing for recurrent networks: with it, one that is right on 0.88 of its documents is right on 0.58 of them. Where int8
    changes too many answers, the layer that disturbs the scores most goes back to fp32, then perhaps another one.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters

    def feed(arrays: Arrays) -> dict[str, np.ndarray]:
        ids, mask = pad(arrays)
        return {"ids": ids, "mask": mask}

    off = nncf.AdvancedQuantizationParameters(smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=-1))

    def quantize(kept: Sequence[str]):  # noqa: ANN202
        return nncf.quantize(
            model.clone(),
            nncf.Dataset(list(calibration), feed),
            subset_size=len(calibration),
            model_type=nncf.ModelType.TRANSFORMER,
            advanced_parameters=None if smooth else off,
            ignored_scope=nncf.IgnoredScope(patterns=[f".*/{name}/.*" for name in kept], validate=False) if kept else None,
        )

    judged = [feed(arrays) for arrays in calibration[:_JUDGED]]
    goal, layers = _scores(model, judged), layer_names([op.get_friendly_name() for op in model.get_ops()])
    kept: list[str] = []
    quantized = quantize(kept)
    while flips(_scores(quantized, judged), goal) > _FLIPS and len(kept) < min(_MOST_RESTORED, len(layers) - 1):
        tried = {name: quantize([*kept, name]) for name in layers if name not in kept}
        best = min(tried, key=lambda name: float(np.abs(_scores(tried[name], judged) - goal).mean()))
        kept.append(best)
        quantized = tried[best]
    return quantized


def layer_names(operations: Sequence[str]) -> list[str]:
    """Return the names of a graph's layers, such as `layer.0`, in their order; none where it has no such layers."""
    found = {match[0] for name in operations for match in [re.search(r"(?<=/)layer\.\d+(?=/)", name)] if match}
    return sorted(found, key=lambda name: int(name.rpartition(".")[2]))


def flips(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of rows whose largest score stands elsewhere. Fraction."""
    return float((ours.argmax(1) != theirs.argmax(1)).mean())


def _scores(model, documents: Sequence[dict[str, np.ndarray]]) -> np.ndarray:  # noqa: ANN001
    """Return the scores that an OpenVINO model gives, shape (documents, C)."""
    import openvino

    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([np.asarray(compiled(document)[0]) for document in documents])
