import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from smelt.errors import DataFault
from smelt.models.linear import LabeledTexts, fit_linear
from smelt.runtime.linear import LinearSession
from smelt.tasks.classify import load_codec

WORDS = ("rate", "cut", "rise", "bond", "bank", "euro", "oil")
ENGLISH = {"ngram_range": (1, 2), "token_pattern": r"\w+"}
CHINESE = {"ngram_range": (1, 3), "analyzer": "char"}


def made_up_rows(classes, rows=60):
    """Texts in which class k likes word k; every class occurs."""
    draw = np.random.default_rng(1)
    numbers = np.arange(rows) % len(classes)
    texts = [" ".join([WORDS[number], *draw.choice(WORDS, draw.integers(1, 6))]) for number in numbers]
    return texts, [classes[number] for number in numbers], [str(row) for row in range(rows)]


def scikit_learn_scores(texts, labels, unseen, vocabulary, settings):
    pipeline = make_pipeline(
        CountVectorizer(vocabulary=vocabulary, **settings), TfidfTransformer(sublinear_tf=True), LinearSVC(C=0.5, random_state=0)
    )
    decision = pipeline.fit(texts, labels).decision_function(unseen)
    return np.stack([-decision, decision], axis=1) if decision.ndim == 1 else decision


def ours(folder, texts):
    return LinearSession(folder, threads=1).scores(load_codec(folder).encode(texts))


@pytest.mark.parametrize("classes", [("down", "up"), ("a", "b", "c", "d", "e")], ids=len)
def test_scores_are_those_of_scikit_learn(tmp_path, classes):
    texts, labels, ids = made_up_rows(classes)
    fit_linear(LabeledTexts(texts=texts, labels=labels, ids=ids, classes=classes), features=1000, folder=tmp_path)
    unseen = ["rate rate rate cut", "bond", "nothing known", "", "Bank of oil, bank of euro"]
    want = scikit_learn_scores(texts, labels, unseen, load_codec(tmp_path).encoder.ngrams, ENGLISH)
    np.testing.assert_allclose(ours(tmp_path, unseen), want, atol=1e-5)


def test_scores_of_chinese_are_those_of_scikit_learn(tmp_path):
    texts, labels = ["央行降息", "央行加息", "股市上涨", "股市下跌"] * 3, ["down", "up", "up", "down"] * 3
    fit_linear(LabeledTexts(texts=texts, labels=labels, ids=[""] * 12, classes=("down", "up")), features=1000, folder=tmp_path)
    unseen = ["央行又降息", "股市", "rate"]
    want = scikit_learn_scores(texts, labels, unseen, load_codec(tmp_path).encoder.ngrams, CHINESE)
    np.testing.assert_allclose(ours(tmp_path, unseen), want, atol=1e-5)


def test_scores_stand_in_the_order_of_the_classes_asked_for(tmp_path):
    texts, labels, ids = made_up_rows(("up", "down", "flat"))
    fit_linear(LabeledTexts(texts=texts, labels=labels, ids=ids, classes=("up", "down", "flat")), features=1000, folder=tmp_path)
    assert load_codec(tmp_path).decode(ours(tmp_path, ["rate rate rate", "cut cut cut", "rise rise rise"])).predictions == [
        "up",
        "down",
        "flat",
    ]


@pytest.mark.parametrize("seen", [("a", "c"), ("a", "c", "d")], ids=len)
def test_a_class_without_an_example_is_never_answered(tmp_path, seen):
    texts, labels, ids = made_up_rows(seen)
    classes = ("a", "b", "c", "d")
    fit_linear(LabeledTexts(texts=texts, labels=labels, ids=ids, classes=classes), features=1000, folder=tmp_path)
    scores = ours(tmp_path, texts)
    want = scikit_learn_scores(texts, labels, texts, load_codec(tmp_path).encoder.ngrams, ENGLISH)
    np.testing.assert_allclose(scores[:, [classes.index(name) for name in seen]], want, atol=1e-5)
    assert set(load_codec(tmp_path).decode(scores).predictions) <= set(seen)


def test_at_most_so_many_features_are_kept(tmp_path):
    texts, labels, ids = made_up_rows(("a", "b"))
    fit_linear(LabeledTexts(texts=texts, labels=labels, ids=ids, classes=("a", "b")), features=4, folder=tmp_path)
    assert load_codec(tmp_path).encoder.size == 4


def test_a_foreign_label_is_a_data_fault(tmp_path):
    with pytest.raises(DataFault, match="row 7"):
        fit_linear(LabeledTexts(texts=["a b", "b c"], labels=["x", "z"], ids=["6", "7"], classes=("x", "y")), features=9, folder=tmp_path)
