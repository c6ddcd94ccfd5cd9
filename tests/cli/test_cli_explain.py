"""`smelt explain` with a tiny bundle and a tiny model folder."""

import json

import pytest

from smelt.models.static import StaticNetwork, StaticSizes

TEXTS = ("rate cut bond", "bond bond", "央行 rate", "cuts rate rate", "bond 央", "rate")


@pytest.fixture
def file(write_csv):
    return write_csv("in.csv", ("body",), *((f"{text} {number}",) for number, text in enumerate(TEXTS * 10)))


@pytest.fixture
def model(tmp_path, codec):
    folder = tmp_path / "model"
    folder.mkdir()
    StaticNetwork(StaticSizes(vocabulary=10, dim=6, hidden=5, classes=3)).save(folder)
    codec.save(folder)
    return folder


def test_a_text_is_explained_with_what_would_change_it(smelt, bundle):
    done = smelt("explain", bundle, "rate cut bond")
    assert done.code == 0
    assert "rate cut bond" in done.out
    assert "occlusion" in done.out
    assert "shapley" in done.out


def test_json_has_every_word_its_place_and_the_faithfulness_of_each_method(smelt, bundle, file):
    done = smelt("explain", bundle, file, "--texts", "4", "--json")
    found = json.loads(done.out)
    assert len(found["texts"]) == 4
    assert set(found["faithfulness"]) == {"occlusion", "shapley"}
    for one in found["texts"]:
        assert all(one["text"][word["start"] : word["end"]] == word["word"] for word in one["words"])
    assert found["method"] == max(
        found["faithfulness"],
        key=lambda name: found["faithfulness"][name]["comprehensiveness"] - found["faithfulness"][name]["sufficiency"],
    )


def test_one_label_by_one_method_as_a_page(smelt, bundle, file, tmp_path):
    done = smelt("explain", bundle, file, "--method", "shapley", "--label", "央行", "--html", "why.html", "--global", "--texts", "3")
    assert done.code == 0, done.err
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 3
    assert "央行" in page
    assert "occlusion" not in page


def test_gradients_need_the_training_module(smelt, bundle, model):
    done = smelt("explain", bundle, "rate cut", "--method", "gradients")
    assert done.code == 2
    assert "has no gradients" in done.err
    done = smelt("explain", model, "rate cut bond", "--method", "gradients", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["method"] == "gradients"


@pytest.mark.parametrize(
    ("options", "said"), [(("--label", "no"), "no such label"), (("--text", "no"), "no column"), (("--texts", "0"), "from 1")]
)
def test_what_is_not_there_is_named(smelt, bundle, file, options, said):
    done = smelt("explain", bundle, file, *options)
    assert done.code in (2, 4)
    assert said in done.err


def test_a_file_that_is_not_there_is_no_text(smelt, bundle):
    done = smelt("explain", bundle, "missing.csv")
    assert done.code == 2
    assert "missing.csv: no such file" in done.err


def test_a_whole_model_is_not_read_from_one_text(smelt, bundle):
    done = smelt("explain", bundle, "rate cut", "--global")
    assert done.code == 4
    assert "--global: 1 texts with 1 different answers" in done.err
