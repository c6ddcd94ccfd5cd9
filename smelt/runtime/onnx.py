"""Run an ONNX graph by ONNX Runtime."""

from pathlib import Path
from typing import final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)
from onnxruntime.capi.onnxruntime_pybind11_state import (
    NotImplemented as Unsupported,
)

from smelt.errors import BundleFault
from smelt.language import say
from smelt.tasks.padding import pad
from smelt.types import Arrays

GRAPH = "model.onnx"
_REFUSED = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, Unsupported, RuntimeException)
# The key under which a graph names a file outside itself. Protobuf keeps strings as they are, so it cannot hide.
_EXTERNAL = b"location"


@final
class OnnxSession:
    """A graph with inputs `ids` and `mask` (int64, (B, S)) and output `scores`."""

    runtime = "onnxruntime"

    def __init__(self, folder: Path, *, precision: str, threads: int) -> None:
        """Load the graph from memory; it may not name other files.

        Raises:
            BundleFault: it names other files, or ONNX Runtime refuses it.
        """
        self.precision = precision
        self.threads = threads
        graph = (folder / GRAPH).read_bytes()
        if _EXTERNAL in graph:
            raise BundleFault(say("{path}: names files outside the graph", path=folder / GRAPH))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for the next call by spinning take the cores from whoever runs meanwhile: a server, a cascade's other part.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except _REFUSED as error:
            raise BundleFault(say("{path}: ONNX Runtime refuses it: {reason}", path=folder / GRAPH, reason=str(error)[:200])) from error
        self._classes = self._session.get_outputs()[0].shape[-1]

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        if not len(arrays):
            return np.empty((0, self._classes), np.float32)
        ids, mask = pad(arrays)
        return np.asarray(self._session.run(["scores"], {"ids": ids, "mask": mask})[0], np.float32)
