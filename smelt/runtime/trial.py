"""Compile a bundle's OpenVINO graph in a process of its own and answer one document: `python -m smelt.runtime.trial FOLDER PRECISION`."""

import sys
from pathlib import Path

import numpy as np

from smelt.runtime.openvino import OpenvinoSession
from smelt.types import Arrays


def main(folder: str, precision: str) -> None:
    """Exit normally if the graph compiles and runs here."""
    session = OpenvinoSession(Path(folder), precision=precision, threads=1)
    scores = session.scores(Arrays(ids=np.ones(3, np.int32), offsets=np.array([0, 3], np.int64)))
    if not np.isfinite(scores).all():
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
