"""Time a torch model folder in a process of its own: `python -m smelt.train.clock FOLDER WORKLOAD.json`. fp32, dynamic length."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from smelt.models.build import load_model
from smelt.models.session import LiveSession
from smelt.runtime.bench import time_session
from smelt.runtime.clock import read_workload


def main(folder: str, workload: str) -> str:
    """Time the model and return the answer as one line of JSON."""
    model = load_model(Path(folder))
    timing = time_session(lambda threads: LiveSession(model.network, threads=threads), model.codec, read_workload(Path(workload)))
    return json.dumps(asdict(timing))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
