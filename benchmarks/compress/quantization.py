"""What does each step of int8 add? The reference and the students of a finished run, exported with and without it, on confirm.

    python benchmarks/compress/quantization.py --run RUN [--out DIR]

Trains nothing. For every transformer and CNN of the run: the live module, dynamic int8 by ONNX Runtime (a scale per column, a scale per
matrix) and static int8 by OpenVINO (with and without SmoothQuant). Accuracy on confirm, its paired difference to the live module (95 %),
and how many answers are the same. Costs about half a minute per network.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime.quantization as ort

from smelt.compress.trial import spread
from smelt.data.dataset import open_dataset
from smelt.export import formats
from smelt.export.bundle import write_bundle
from smelt.models.build import Model, load_model
from smelt.models.rnn import RnnNetwork
from smelt.models.session import LiveSession
from smelt.models.static import StaticNetwork
from smelt.recipe.compress import Format
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.isa import cores, isa
from smelt.runtime.manifest import Manifest

_CALIBRATION = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a run that has passed the stage compress")
    parser.add_argument("--out", type=Path, help="where the table goes; default RUN/../quantization")
    options = parser.parse_args()
    out = options.out or options.run.parent / "quantization"
    out.mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(options.run / "data")
    texts, labels = dataset.confirm.texts(), np.array(dataset.confirm.labels)
    calibration = dataset.train.texts(spread(len(dataset.train), _CALIBRATION))
    lines = ["| network | int8 | accuracy | difference in points | same answers as fp32 |", "|---|---|---:|---:|---:|"]
    rows = []
    for name, model in _models(options.run):
        live = _answers(model, score_texts(LiveSession(model.network, threads=cores()), model.codec, texts))
        before = live == labels
        rows.append({"network": name, "int8": "none", "accuracy": float(before.mean())})
        lines.append(f"| {name} | none, fp32 | {before.mean():.2%} | | |")
        for kind, export in EXPORTS.items():
            answers = _exported(model, export, calibration, texts)
            right = answers == labels
            lost, won = int((before & ~right).sum()), int((right & ~before).sum())
            difference = 100 * (won - lost) / len(labels)
            error = 100 * np.sqrt(max(lost + won - (won - lost) ** 2 / len(labels), 0)) / len(labels)
            same = float((answers == live).mean())
            rows.append({"network": name, "int8": kind, "accuracy": float(right.mean()), "lost": lost, "won": won, "same": same})
            lines.append(f"| | {kind} | {right.mean():.2%} | {difference:+.2f} ± {1.96 * error:.2f} | {same:.2%} |")
            print(lines[-1], flush=True)
    (out / "results.json").write_text(json.dumps({"n": len(labels), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _models(run: Path) -> Iterator[tuple[str, Model]]:
    places = {"reference": run / "train" / "model"} | {
        path.parent.name: path.parent for path in sorted(run.glob("compress/*/training.json"))
    }
    for name, folder in places.items():
        model = load_model(folder)
        if not isinstance(model.network, StaticNetwork | RnnNetwork):
            yield name, model


def _answers(model: Model, scores: np.ndarray) -> np.ndarray:
    return np.array(model.codec.labels)[scores.argmax(1)]


def _exported(model: Model, export: Callable[[], Format], calibration: list[str], texts: list[str]) -> np.ndarray:
    kept = (formats._quantize_static, ort.quantize_dynamic)
    with tempfile.TemporaryDirectory() as place:
        try:
            form = export()
            facts = Manifest(name="int8", family="network", runtime="numpy", precision="fp32", text_column="text", isa=isa())
            batches = [model.codec.encode([text]) for text in calibration]
            write_bundle(model.network, model.codec, form, replace(facts), calibration=batches, folder=Path(place))
        finally:
            formats._quantize_static, ort.quantize_dynamic = kept
        bundle = open_bundle(Path(place), threads=cores())
        return _answers(model, score_texts(bundle.session, bundle.codec, texts))


def _per_matrix() -> Format:
    plain = ort.quantize_dynamic
    ort.quantize_dynamic = lambda *given, **named: plain(*given, **(named | {"per_channel": False}))
    return "onnxruntime-int8"


def _without_smoothing() -> Format:
    plain = formats._quantize_static
    formats._quantize_static = lambda model, calibration, smooth: plain(model, calibration, smooth=False)
    return "openvino-int8"


EXPORTS: dict[str, Callable[[], Format]] = {
    "dynamic, a scale per column (ONNX Runtime)": lambda: "onnxruntime-int8",
    "dynamic, a scale per matrix": _per_matrix,
    "static, with SmoothQuant (OpenVINO)": lambda: "openvino-int8",
    "static, without SmoothQuant": _without_smoothing,
}


if __name__ == "__main__":
    main()
