"""A recipe as a question: the layouts that are planned for it are layouts that the recipe goes with."""

import json
from pathlib import Path

import pytest

from smelt.models.parts import KNOWN
from smelt.pipeline.plan import SPLIT, question_of_recipe
from smelt.plan.layout import Layout
from smelt.plan.legal import layouts
from smelt.plan.question import Question
from smelt.plan.section import runnable, section_of
from smelt.recipe.load import from_dict

SCRATCH = {"kind": "transformer-scratch", "layers": 8, "heads": 4}
RECIPE = {
    "data": {"kind": "files", "path": "x.csv"}, "task": {"kind": "classify"}, "model": SCRATCH, "train": {"batch_examples": 48},
    "cluster": {"accelerator": "H100", "count": 4},
}  # fmt: skip
CASES = {
    "scratch": {},
    "windows": {"task": {"kind": "classify", "windows": {}}},
    "adapter": {"model": {"kind": "transformer"}, "train": {"batch_examples": 48, "adapter": {"kind": "lora"}}},
    "ray": {"launch": {"kind": "ray", "fewest": 1}},
    "decoder": {"task": {"kind": "causal_language"}, "model": SCRATCH | {"architecture": "llama", "kv_heads": 2}},
    "few": {"train": {"batch_examples": 4}},
}


def asked(recipe: dict) -> Question:
    return question_of_recipe(from_dict(recipe), Path(), Path())


def legal(question: Question) -> list[Layout]:
    return list(layouts(question.shape, question.work, question.cluster.count, fixed=runnable(question).fixed, flash=True))


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_takes_every_section_that_is_planned_for_it(name: str) -> None:
    recipe = RECIPE | CASES[name]
    question = asked(recipe)
    found = legal(question)
    assert found
    for layout in found:
        assert from_dict(recipe | {"parallel": section_of(layout, question.work)}).parallel.processes == 4


def test_adapters_are_said_to_be_left_out() -> None:
    assert any("adapters" in each for each in asked(RECIPE | CASES["adapter"]).assumed)
    assert not any("adapters" in each for each in asked(RECIPE).assumed)


@pytest.mark.parametrize(("tokens", "said"), [(2048, ["train.batch_tokens, 2048, is not kept: it holds 16 such texts"]), (6144, [])])
def test_a_batch_that_is_cut_by_its_tokens_is_said(tokens: int, said: list[str]) -> None:
    question = asked(RECIPE | {"train": {"batch_examples": 48, "batch_tokens": tokens}})
    assert [each for each in question.assumed if "batch_tokens" in each] == said


def test_the_architectures_that_are_split_are_those_that_training_splits() -> None:
    assert set(KNOWN) == SPLIT


@pytest.mark.parametrize(("family", "most"), [("bert", 4), ("modernbert", 1)])
def test_an_architecture_that_is_not_split_is_planned_whole(tmp_path: Path, family: str, most: int) -> None:
    sizes = {
        "model_type": family, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128,
        "vocab_size": 1000, "max_position_embeddings": 512, "type_vocab_size": 2,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(len(b"{}").to_bytes(8, "little") + b"{}")
    question = asked(RECIPE | {"model": {"kind": "transformer", "weights": str(tmp_path)}})
    assert max(layout.tensor for layout in legal(question)) == most
