"""Requirements that could only fail at the end of a run are refused at its beginning."""

import pytest

from smelt.errors import RecipeFaults
from smelt.recipe.load import from_dict

PLAIN = {"data": {"kind": "files", "path": "a.csv"}, "task": {"kind": "classify"}, "train": {}}


def test_requirements_need_true_labels():
    with pytest.raises(RecipeFaults, match="true labels"):
        from_dict(PLAIN | {"verify": {"labels": "reference", "also": [{"kind": "macro_f1"}]}})


def test_the_roc_curve_needs_probabilities_of_the_reference():
    model = {"model": {"kind": "predictions", "path": "a.jsonl"}}
    assert from_dict(PLAIN | model | {"verify": {"also": [{"kind": "recall"}]}}).verify.also
    with pytest.raises(RecipeFaults, match="probabilities"):
        from_dict(PLAIN | model | {"verify": {"also": [{"kind": "auroc"}]}})


@pytest.mark.parametrize("kind", ["cnn", "rnn", "static"])
def test_windows_are_for_transformers(kind):
    with pytest.raises(RecipeFaults, match="windows is for transformers"):
        from_dict(PLAIN | {"task": {"kind": "classify", "windows": {}}, "model": {"kind": kind}})


def test_a_stride_that_leaves_gaps_is_refused():
    with pytest.raises(RecipeFaults, match="leaves gaps"):
        from_dict(PLAIN | {"task": {"kind": "classify", "windows": {"stride": 63}}, "model": {"kind": "transformer", "max_tokens": 64}})
