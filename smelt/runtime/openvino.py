"""Run a graph by OpenVINO on the CPU."""

from pathlib import Path
from typing import final

import numpy as np
import openvino
from numpy.typing import NDArray

from smelt.errors import BundleFault
from smelt.language import say
from smelt.tasks.padding import pad
from smelt.types import Arrays

GRAPH = "model.xml"
_MULTIPLE, _FEW = 8, 8
"""OpenVINO compiles each shape when it comes first, for 5 to 10 ms: few documents are padded, so that there are few shapes."""


@final
class OpenvinoSession:
    """A graph with inputs `ids` and `mask` (int64, (B, S)) and one output."""

    runtime = "openvino"

    def __init__(self, folder: Path, *, precision: str, threads: int, longest: int | None = None) -> None:
        """Compile the graph. OpenVINO takes bf16 silently where the CPU has it; here only `bf16` does.

        Args:
            folder: where the graph is.
            precision: fp32, bf16 or int8.
            threads: that compute.
            longest: columns that the graph may be given at most; None where that is not known.

        Raises:
            BundleFault: OpenVINO refuses it.
        """
        self.precision = precision
        self.threads = threads
        self._longest = longest or 0
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        try:
            compiled = openvino.Core().compile_model(folder / GRAPH, "CPU", hints)
        except RuntimeError as error:
            raise BundleFault(say("{path}: OpenVINO refuses it: {reason}", path=folder / GRAPH, reason=str(error)[:200])) from error
        self._request = compiled.create_infer_request()
        self._classes = compiled.output(0).get_partial_shape()[1].get_length()

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        if not len(arrays):
            return np.empty((0, self._classes), np.float32)
        ids, mask = pad(arrays, _MULTIPLE if len(arrays) <= _FEW else 1, self._longest)
        self._request.infer({"ids": ids, "mask": mask}, share_inputs=True)
        return self._request.get_output_tensor(0).data.copy()
