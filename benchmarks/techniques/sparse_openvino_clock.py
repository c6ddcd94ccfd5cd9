"""Time an int8 bundle by OpenVINO with its zeros packed away in memory, which it does for matrix products on AMX.

PYTHONPATH=benchmarks/techniques:benchmarks/frontier python -m sparse_openvino_clock FOLDER WORKLOAD.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import openvino
from clocks import time_calls

from smelt.runtime.clock import read_workload
from smelt.tasks.classify import load_codec
from smelt.tasks.padding import pad


def main(folder: str, workload: str) -> str:
    load, codec = read_workload(Path(workload)), load_codec(Path(folder))
    requests = {}
    for threads in load.threads:
        hints = {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
            "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE": 0.5,
        }  # fmt: skip
        requests[threads] = openvino.Core().compile_model(Path(folder) / "model.xml", "CPU", hints).create_infer_request()
    current = requests[load.threads[0]]

    def choose(threads: int) -> None:
        nonlocal current
        current = requests[threads]

    def answer(texts: list[str]) -> np.ndarray:
        ids, mask = pad(codec.encode(texts))
        current.infer({"ids": ids, "mask": mask}, share_inputs=True)
        return current.get_output_tensor(0).data.argmax(axis=1)

    return json.dumps(asdict(time_calls(answer, load, choose)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
