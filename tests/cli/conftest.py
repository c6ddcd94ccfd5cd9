"""The command line called as a function, in a folder of its own; a tiny bundle and tiny tables."""

import csv
import json
from dataclasses import dataclass

import pytest
import torch

from smelt.cli.main import main
from smelt.export.bundle import write_bundle
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.runtime.manifest import Manifest
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.tokens import TokenEncoder


@dataclass(frozen=True)
class Done:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """Standard output as the one JSON document that it has to be."""
        return json.loads(self.out)


@pytest.fixture
def smelt(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder, in English, and says how it ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMELT_LANG", "en")
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "0")  # the command line sets what is not set

    def run(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def write_csv(tmp_path):
    """Writes a table with a heading."""

    def write(name, *rows):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def codec(make_tokenizer):
    return ClassifyCodec(labels=("oil", "rates", "央行"), encoder=TokenEncoder(make_tokenizer(), 16))


@pytest.fixture(scope="session")
def bundle(codec, tmp_path_factory):
    """A static bundle that was trained on a column called `body`."""
    torch.manual_seed(1)
    network = StaticNetwork(StaticSizes(vocabulary=10, dim=6, hidden=5, classes=3))
    folder = tmp_path_factory.mktemp("bundle")
    facts = Manifest(name="tiny", family="static", runtime="numpy", precision="fp32", text_column="body", isa="")
    write_bundle(network, codec, "numpy-fp32", facts, calibration=(), folder=folder)
    return folder
