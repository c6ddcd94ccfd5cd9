"""What the reference and its floor follow from."""

from types import SimpleNamespace

import numpy as np
from safetensors.numpy import save_file

from smelt.pipeline import frontier
from smelt.pipeline.frontier import floor_dev
from smelt.pipeline.reference import weights_mark
from smelt.recipe.model import CnnModel, PretrainedTransformer


def test_other_weights_in_the_same_folder_are_another_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"first")
    (tmp_path / "notes.txt").write_text("read by nobody", encoding="utf-8")
    section = PretrainedTransformer(weights=str(tmp_path))
    before = weights_mark(section)
    assert list(before) == ["model.safetensors"]
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert weights_mark(section) != before


def test_what_is_fetched_or_new_has_no_mark():
    assert weights_mark(PretrainedTransformer(weights="somebody/some-model")) == {}
    assert weights_mark(CnnModel()) == {}


def test_the_floor_is_read_by_its_own_labels(tmp_path, monkeypatch):
    """A fine-tuned folder may number its labels otherwise."""
    save_file({"scores": np.eye(3, dtype=np.float32)}, tmp_path / "dev.safetensors")
    monkeypatch.setattr(frontier, "load_codec", lambda _folder: SimpleNamespace(labels=("a", "b", "c")))
    dev = SimpleNamespace(labels=["a", "b", "a"])
    reference = SimpleNamespace(dev=SimpleNamespace(labels=np.array([2, 1, 2])))
    bench = SimpleNamespace(floor=tmp_path, dataset=SimpleNamespace(dev=dev), reference=reference)
    assert floor_dev(bench) == 2 / 3
