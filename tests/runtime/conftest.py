"""A tiny static bundle, and ways to seal a folder as an attacker would."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch

from smelt.export.bundle import write_bundle
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.runtime.manifest import FILE, SEAL, Manifest
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.tokens import TokenEncoder

FACTS = {"name": "tiny", "family": "static", "runtime": "numpy", "precision": "fp32", "text_column": "text", "isa": ""}


@pytest.fixture(scope="session")
def static_network():
    torch.manual_seed(15)  # with these weights the texts of the tests get every label
    network = StaticNetwork(StaticSizes(vocabulary=10, dim=4, hidden=5, classes=3)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


@pytest.fixture(scope="session")
def codec(make_tokenizer):
    return ClassifyCodec(labels=("down", "up", "中"), encoder=TokenEncoder(make_tokenizer(), 9), temperature=1.5)


@pytest.fixture(scope="session")
def sealed_bundle(static_network, codec, tmp_path_factory):
    """Made once; copy it before you touch it (`bundle_folder`)."""
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(static_network, codec, "numpy-fp32", Manifest(**FACTS), calibration=[], folder=folder)
    return folder


@pytest.fixture
def bundle_folder(sealed_bundle, tmp_path):
    return shutil.copytree(sealed_bundle, tmp_path / "bundle")


@pytest.fixture
def reseal():
    """Writes manifest and seal again after a change, as an attacker does who knows the format."""

    def write(folder, **changes):
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name not in (FILE, SEAL)}
        values = json.loads((folder / FILE).read_text(encoding="utf-8")) | {"files": files} | changes
        raw = json.dumps(values).encode()
        (folder / FILE).write_bytes(raw)
        (folder / SEAL).write_text(f"{hashlib.sha256(raw).hexdigest()}  {FILE}\n", encoding="ascii")

    return write


@pytest.fixture
def make_tensors():
    """Sound matrices of a static graph of ten tokens, width 4, hidden 5, three classes."""
    draw = np.random.default_rng(0)
    shapes = {"embedding": (10, 4), "weight": (10, 1), "norm_scale": 4, "norm_shift": 4, "inner": (5, 4), "inner_bias": 5}
    shapes |= {"outer": (3, 5), "outer_bias": 3}
    return {name: draw.random(shape, np.float32) for name, shape in shapes.items()}
