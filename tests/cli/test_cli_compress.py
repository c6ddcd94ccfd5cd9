"""When the answers of a model that was fine-tuned elsewhere are asked for again."""

import os
from argparse import Namespace

import pytest

from smelt.cli import compress


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A model folder and texts; calling it returns how often the model was asked so far."""
    model, texts, out = tmp_path / "model", tmp_path / "texts.csv", tmp_path / "out"
    for folder in (model, out):
        folder.mkdir()
    for path in (model / "config.json", model / "model.safetensors", texts):
        path.write_text("x", encoding="utf-8")
        os.utime(path, (1000, 1000))
    calls = []

    def answer(_model, _source, target, _text):
        calls.append(target)
        target.write_text("answers", encoding="utf-8")
        os.utime(target, (2000, 2000))

    def ask():
        compress._answered(Namespace(data=texts, text=None), model, out)
        return len(calls)

    monkeypatch.setattr(compress, "answer_file", answer)
    return ask


def test_answers_that_stand_are_not_asked_for_again(asked):
    assert [asked(), asked()] == [1, 1]


@pytest.mark.parametrize("name", ["texts.csv", "model/config.json", "model/model.safetensors"])
def test_other_texts_or_another_model_are_asked_again(asked, tmp_path, name):
    asked()
    os.utime(tmp_path / name, (3000, 3000))
    assert asked() == 2
