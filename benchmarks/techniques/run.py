"""Is it worth building? One timed row each for sparsity, weight-only int8 and int4, and early exit, on a model that smelt trained.

    python benchmarks/techniques/run.py --run RUN [--quick] [--out FILE]

RUN is the folder of a finished `smelt run` with a BERT as its reference. Nothing is trained again: a row shows what a technique costs and
what it does to the answers as they are; where it does not pay in time or size, its accuracy after training does not matter. Rows are
timed in turns, each round in a process of its own, end to end with tokenization, at the better of 1 and all threads. About ten minutes.
"""

import argparse
import copy
import io
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import early_exit
import numpy as np
import torch
from numpy.typing import NDArray

from smelt.data.dataset import Dataset, open_dataset
from smelt.export.bundle import write_bundle
from smelt.models.build import Model, load_model
from smelt.models.transformer import TransformerNetwork
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.clock import BUNDLES, race
from smelt.runtime.isa import cores, cpu_name, isa
from smelt.runtime.manifest import Manifest, seal
from smelt.types import Timing

HERE = Path(__file__).resolve().parent
SPARSE_OPENVINO, SPARSE_TORCH, EXIT = "sparse_openvino_clock", "sparse_torch_clock", "early_exit"


@dataclass(frozen=True)
class Row:
    """One technique: where it stands, which module times it, and the answers it gives on dev."""

    name: str
    folder: Path
    module: str
    answers: NDArray[np.int64]
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """What all rows are made from."""

    model: Model
    network: TransformerNetwork
    dataset: Dataset
    folder: Path

    def bundle(self, name: str, network: TransformerNetwork, form: str, change: Callable[[Path], None] | None = None) -> Row:
        """Export a network; `change` may rewrite the graph before the bundle is sealed."""
        folder = self.folder / name.replace(" ", "-").replace(",", "")
        folder.mkdir()
        facts = Manifest(name=name, family="network", runtime="numpy", precision="fp32", text_column="text", isa=isa())
        texts = self.dataset.train.texts(range(min(300, len(self.dataset.train))))
        write_bundle(network, self.model.codec, form, facts, calibration=[self.model.codec.encode([text]) for text in texts], folder=folder)
        if change is not None:
            manifest = open_bundle(folder).manifest
            change(folder)
            seal(folder, replace(manifest, files={}))
        bundle = open_bundle(folder)
        scores = score_texts(bundle.session, bundle.codec, self.dataset.dev.texts())
        return Row(name, folder, BUNDLES, scores.argmax(1))


def main() -> None:
    options = _options()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parent / "frontier")])
    model, dataset = load_model(options.run / "train" / "model"), open_dataset(options.run / "data")
    network = model.network
    if not isinstance(network, TransformerNetwork):
        raise SystemExit(f"{options.run}: its reference is no transformer")
    with tempfile.TemporaryDirectory() as scratch:
        rows = _rows(Bench(model, network, dataset, Path(scratch)))
        entrants, workload = {row.name: (row.folder, row.module) for row in rows}, options.run / "compress" / "workload.json"
        timings = race(entrants, workload, Path(scratch), 2 if options.quick else 5, tell=lambda lap: print(f"round {lap}", flush=True))
        result = _result(options, rows, timings, dataset, model)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(_table(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--quick", action="store_true", help="two rounds instead of five")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _rows(bench: Bench) -> list[Row]:
    half, most = _pruned(bench.network, 0.5), _pruned(bench.network, 0.8)
    two_of_four = _two_of_four(bench.network)
    dense = bench.bundle("onnxruntime-fp32", bench.network, "onnxruntime-fp32")
    rows = [
        dense,
        bench.bundle("onnxruntime-int8", bench.network, "onnxruntime-int8"),
        bench.bundle("openvino-fp32", bench.network, "openvino-fp32"),
        bench.bundle("openvino-int8", bench.network, "openvino-int8"),
        bench.bundle("half of the weights zero, onnxruntime-fp32", half, "onnxruntime-fp32"),
        bench.bundle("2 of 4 weights zero, onnxruntime-fp32", two_of_four, "onnxruntime-fp32"),
        bench.bundle("8 of 10 weights zero, openvino-int8", most, "openvino-int8"),
        bench.bundle("weights int8, openvino", bench.network, "openvino-fp32", lambda folder: _weights_openvino(folder, "int8")),
        bench.bundle("weights int4, openvino", bench.network, "openvino-fp32", lambda folder: _weights_openvino(folder, "int4")),
        bench.bundle("weights int4, onnxruntime", bench.network, "onnxruntime-fp32", _weights_onnx),
    ]
    sparse = next(row for row in rows if row.name.startswith("8 of 10"))
    rows.append(replace(sparse, name="8 of 10 weights zero, openvino-int8, packed in memory", module=SPARSE_OPENVINO))
    torch_folder = bench.folder / "torch"
    torch_folder.mkdir()
    most.save(torch_folder)
    bench.model.codec.save(torch_folder)
    rows.append(replace(sparse, name="8 of 10 weights zero, PyTorch CSR", folder=torch_folder, module=SPARSE_TORCH))
    exits = early_exit.write(bench.network, bench.model.codec, bench.dataset, bench.folder / "exit")
    rows.append(Row("early exit after 3 layers, onnxruntime-fp32", exits.folder, EXIT, exits.answers, f"{exits.share:.0%} leave early"))
    return rows


def _pruned(network: TransformerNetwork, share: float) -> TransformerNetwork:
    """Return a copy without the smallest weights of each linear layer of the encoder."""
    smaller = copy.deepcopy(network)
    for weight in _weights(smaller):
        bound = weight.abs().flatten().kthvalue(int(share * weight.numel())).values
        weight.mul_(weight.abs() > bound)
    return smaller


def _two_of_four(network: TransformerNetwork) -> TransformerNetwork:
    """Return a copy in which of every four weights in a row the two smaller ones are zero."""
    smaller = copy.deepcopy(network)
    for weight in _weights(smaller):
        fours = weight.reshape(-1, 4)
        fours.scatter_(1, fours.abs().topk(2, dim=1, largest=False).indices, 0.0)
    return smaller


def _weights(network: TransformerNetwork) -> list[torch.Tensor]:
    encoder = network.hugging_face.base_model.encoder
    return [module.weight.data for module in encoder.modules() if isinstance(module, torch.nn.Linear)]


def _weights_openvino(folder: Path, width: str) -> None:
    """Pack the weights alone, by NNCF; products stay in floating point."""
    import nncf
    import openvino

    from smelt.export.silence import quiet

    mode = nncf.CompressWeightsMode.INT8_ASYM if width == "int8" else nncf.CompressWeightsMode.INT4_SYM
    sizes = {} if width == "int8" else {"ratio": 1.0, "group_size": 64}
    model = openvino.Core().read_model(folder / "model.xml")
    with quiet():
        packed = nncf.compress_weights(model, mode=mode, **sizes)
    openvino.save_model(packed, folder / "packed.xml", compress_to_fp16=False)  # the graph that was read still has its file mapped
    for end in ("xml", "bin"):
        (folder / f"packed.{end}").replace(folder / f"model.{end}")


def _weights_onnx(folder: Path) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    from smelt.export.silence import quiet

    with quiet():
        quantizer = MatMulNBitsQuantizer(onnx.load(folder / "model.onnx"), block_size=32, is_symmetric=True)
        quantizer.process()
        quantizer.model.save_model_to_file(str(folder / "model.onnx"), use_external_data_format=False)


def _result(options: argparse.Namespace, rows: list[Row], timings: dict[str, Timing], dataset: Dataset, model: Model) -> dict:
    labels = np.array([model.codec.labels.index(label) for label in dataset.dev.labels])
    whole = rows[0].answers
    return {
        "run": options.run.name, "n": len(labels), "quick": options.quick,
        "rows": [
            {
                "name": row.name, "note": row.note, "dev_accuracy": float((row.answers == labels).mean()),
                "agreement": float((row.answers == whole).mean()), **_sizes(row.folder), **asdict(timings[row.name]),
            }
            for row in rows
        ],
        "machine": {"cpu": cpu_name(), "cores": cores(), "isa": isa(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes on disk, and of a zip file of it, in which zeros count for little."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return {"bytes": sum(path.stat().st_size for path in folder.iterdir()), "zipped_bytes": packed.tell()}


def _table(result: dict) -> str:
    first = result["rows"][0]
    lines = [
        f"{result['run']}, {result['n']} rows of dev, {result['machine']['cpu']}, {result['machine']['cores']} cores, {result['date']}", "",
        "| | dev accuracy | agreement | ms at batch 1 (p99) | times | documents/s (spread) | times | MB (zipped) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for row in result["rows"]:
        quicker, more = first["latency_ms_p50"] / row["latency_ms_p50"], row["examples_per_s"] / first["examples_per_s"]
        name = f"{row['name']} ({row['note']})" if row["note"] else row["name"]
        lines.append(
            f"| {name} | {row['dev_accuracy']:.2%} | {row['agreement']:.2%} | {row['latency_ms_p50']:.2f} ({row['latency_ms_p99']:.2f}) "
            f"| {quicker:.1f} | {row['examples_per_s']:,.0f} ({row['spread']:.0%}) | {more:.1f} "
            f"| {row['bytes'] / 1e6:.0f} ({row['zipped_bytes'] / 1e6:.0f}) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
