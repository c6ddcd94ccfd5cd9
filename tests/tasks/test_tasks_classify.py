import json
import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from smelt.errors import BundleFault, DataFault
from smelt.tasks.classify import LABELS, SETTINGS, ClassifyCodec, load_codec, softmax
from smelt.tasks.ngrams import NgramEncoder
from smelt.tasks.padding import pad
from smelt.tasks.tokens import TokenEncoder

FINITE = st.floats(-1e4, 1e4, width=32)


@pytest.fixture
def codec():
    return ClassifyCodec(labels=("down", "up", "中性"), encoder=NgramEncoder(["cut", "rate"], "word"), temperature=1.5)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5), elements=FINITE))
def test_softmax_is_that_of_scipy(scores):
    np.testing.assert_allclose(softmax(scores), scipy.special.softmax(scores.astype(np.float64), axis=1), atol=1e-6)


def test_softmax_of_no_rows_has_no_rows():
    assert softmax(np.empty((0, 3), np.float32)).shape == (0, 3)


def test_the_prediction_has_the_highest_score(codec):
    answers = codec.decode(np.array([[0.1, 2, 1], [3, 0, 1]], np.float32))
    assert answers.predictions == ["up", "down"]


def test_of_equal_scores_the_first_wins(codec):
    assert codec.decode(np.array([[1, 2, 2]], np.float32)).predictions == ["up"]


def test_the_confidence_is_the_probability_at_the_temperature(codec):
    answers = codec.decode(np.array([[0, 3, 1]], np.float32))
    expected = math.exp(3 / 1.5) / (math.exp(0) + math.exp(3 / 1.5) + math.exp(1 / 1.5))
    assert answers.confidences.tolist() == pytest.approx([expected], abs=1e-6)


def test_no_scores_are_no_answers(codec):
    answers = codec.decode(np.empty((0, 3), np.float32))
    assert (answers.predictions, answers.confidences.shape, answers.probabilities.shape) == ([], (0,), (0, 3))


def test_a_temperature_changes_no_prediction(codec):
    scores = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert codec.with_temperature(9.0).decode(scores).predictions == codec.decode(scores).predictions


def test_labels_become_numbers_in_the_order_of_the_task(codec):
    numbers = codec.encode_labels(["中性", "down", "up", "up"], ["a", "b", "c", "d"])
    assert (numbers.tolist(), numbers.dtype) == ([2, 0, 1, 1], np.int64)


def test_a_foreign_label_is_a_data_fault_with_its_row(codec):
    with pytest.raises(DataFault, match="row test:17: label 'sideways' is not one of the 3 labels") as caught:
        codec.encode_labels(["up", "sideways"], ["test:16", "test:17"])
    assert caught.value.step


def test_as_many_labels_as_rows_are_wanted(codec):
    with pytest.raises(ValueError, match="zip"):
        codec.encode_labels(["up"], ["1", "2"])


def test_a_saved_codec_of_ngrams_is_the_same(codec, tmp_path):
    codec.save(tmp_path)
    opened = load_codec(tmp_path)
    assert (opened.labels, opened.temperature) == (codec.labels, codec.temperature)
    assert opened.encode(["rate rate cut"]).ids.tolist() == codec.encode(["rate rate cut"]).ids.tolist()


def test_a_saved_codec_of_tokens_is_the_same(tmp_path, make_tokenizer):
    codec = ClassifyCodec(labels=("a", "b"), encoder=TokenEncoder(make_tokenizer(), 5))
    codec.save(tmp_path)
    opened = load_codec(tmp_path)
    texts = ["rate cut rate cut rate", "", "bond"]
    np.testing.assert_array_equal(pad(opened.encode(texts))[0], pad(codec.encode(texts))[0])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (SETTINGS, "{"),
        (SETTINGS, "[]"),
        (SETTINGS, "null"),
        (SETTINGS, "{}"),
        (SETTINGS, "\ufeff{}"),
        (LABELS, "3"),
        (LABELS, "[1, 2]"),
        (LABELS, '"ab"'),
        (LABELS, '{"a": 1}'),
        (LABELS, "[]"),
        (LABELS, '["a", "a"]'),
    ],
)
def test_a_file_that_save_does_not_write_is_refused(codec, tmp_path, file, content):
    codec.save(tmp_path)
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(BundleFault):
        load_codec(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("kind", "rank"),
        ("temperature", "warm"),
        ("temperature", None),
        ("temperature", 0),
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("encoder", None),
        ("encoder", {"kind": "magic"}),
        ("encoder", {"kind": ["ngrams"]}),
        ("encoder", {"kind": "ngrams"}),
        ("encoder", {"kind": "tokens", "max_tokens": 4}),
    ],
)
def test_a_setting_out_of_range_is_refused(codec, tmp_path, key, value):
    codec.save(tmp_path)
    settings = json.loads((tmp_path / SETTINGS).read_text(encoding="utf-8"))
    (tmp_path / SETTINGS).write_text(json.dumps(settings | {key: value}), encoding="utf-8")
    with pytest.raises(BundleFault):
        load_codec(tmp_path)


@pytest.mark.parametrize("max_tokens", [-3, 0, 1, None, "many", 10**30])
def test_a_number_of_tokens_that_makes_no_sense_is_refused(tmp_path, make_tokenizer, max_tokens):
    ClassifyCodec(labels=("a", "b"), encoder=TokenEncoder(make_tokenizer(), 5)).save(tmp_path)
    settings = json.loads((tmp_path / SETTINGS).read_text(encoding="utf-8"))
    settings["encoder"]["max_tokens"] = max_tokens
    (tmp_path / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(BundleFault):
        load_codec(tmp_path)


@pytest.mark.parametrize("name", [SETTINGS, LABELS, "ngrams.json"])
def test_a_missing_file_is_refused(codec, tmp_path, name):
    codec.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleFault):
        load_codec(tmp_path)
