"""A million rows through `smelt predict`: memory does not grow with them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from smelt.runtime.manifest import Manifest, seal
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.tokens import TokenEncoder

pytestmark = pytest.mark.slow
FEW, MANY = 10_000, 1_000_000


@pytest.fixture
def bundle(tmp_path: Path, make_tokenizer) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    draw = np.random.default_rng(0)
    shapes = {
        "embedding": (10, 4),
        "weight": (10, 1),
        "norm_scale": (4,),
        "norm_shift": (4,),
        "inner": (3, 4),
        "inner_bias": (3,),
        "outer": (2, 3),
        "outer_bias": (2,),
    }
    tensors = {name: draw.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(tensors, folder / "static.safetensors")
    ClassifyCodec(labels=("up", "down"), encoder=TokenEncoder(make_tokenizer(), 32)).save(folder)
    seal(folder, Manifest(name="tiny", family="static", runtime="numpy", precision="fp32", text_column="text", isa=""))
    return folder


def peak_bytes(bundle: Path, folder: Path, rows: int) -> int:
    source = folder / f"{rows}.csv"
    with source.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{row},rate cut rates bond {row % 7}\n" for row in range(rows))
    started = time.perf_counter()
    command = [sys.executable, "-m", "smelt", "predict", str(bundle), str(source), "-o", str(folder / f"{rows}.out.csv")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    with (folder / f"{rows}.out.csv").open(encoding="utf-8") as stream:
        assert sum(1 for _ in stream) == rows + 1
    print(f"{rows:,} rows: {rows / (time.perf_counter() - started):,.0f} rows/s, peak {usage.ru_maxrss / 1024:.0f} MiB")  # noqa: T201
    return usage.ru_maxrss


def test_memory_for_a_million_rows_is_that_for_ten_thousand(bundle: Path, tmp_path: Path):
    assert peak_bytes(bundle, tmp_path, MANY) <= 1.10 * peak_bytes(bundle, tmp_path, FEW)
