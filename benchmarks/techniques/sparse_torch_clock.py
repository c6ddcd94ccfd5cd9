"""Time a torch model folder whose encoder multiplies by sparse matrices.

PYTHONPATH=benchmarks/techniques:benchmarks/frontier python -m sparse_torch_clock FOLDER WORKLOAD.json
"""

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from clocks import time_calls

from smelt.models.build import load_model
from smelt.runtime.clock import read_workload
from smelt.tasks.padding import pad


class SparseLinear(torch.nn.Module):
    """A linear layer whose weight is stored by its nonzero entries."""

    def __init__(self, dense: torch.nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = dense.weight.data.to_sparse_csr(), dense.bias.data

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        flat = inputs.reshape(-1, inputs.shape[-1])
        return (self.weight @ flat.T).T.reshape(*inputs.shape[:-1], -1) + self.bias


def main(folder: str, workload: str) -> str:
    warnings.filterwarnings("ignore", message="Sparse CSR")
    load, model = read_workload(Path(workload)), load_model(Path(folder))
    network = model.network.eval()
    for module in list(network.hugging_face.base_model.encoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear):
                setattr(module, name, SparseLinear(child))

    @torch.inference_mode()
    def answer(texts: list[str]) -> np.ndarray:
        ids, mask = pad(model.codec.encode(texts))
        return network(torch.from_numpy(ids), torch.from_numpy(mask)).argmax(1).numpy()

    return json.dumps(asdict(time_calls(answer, load, torch.set_num_threads)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
