from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from smelt.errors import BundleFault
from smelt.tasks.classify import ClassifyCodec, load_codec
from smelt.tasks.ngrams import NgramEncoder, fit_ngrams, ngrams_of, unit_of

ENGLISH = ["The bank cut rates, the bank said.", "Rates rose in 2024", "bank", "", "a b a b"]
CHINESE = ["央行 降息了", "央行加息", "A股上涨"]


def names(encoder, text):
    return sorted(encoder.ngrams[number] for number in encoder.encode([text]).ids)


@pytest.mark.parametrize("text", ENGLISH)
def test_words_and_pairs_are_those_of_scikit_learn(text):
    analyze = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").build_analyzer()
    assert sorted(ngrams_of(text, "word")) == sorted(analyze(text))


@given(st.text(st.sampled_from("ab Ä1,._-"), max_size=30))
def test_words_and_pairs_of_any_text_are_those_of_scikit_learn(text):
    analyze = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").build_analyzer()
    assert sorted(ngrams_of(text, "word")) == sorted(analyze(text))


@pytest.mark.parametrize("text", CHINESE)
def test_characters_are_those_of_scikit_learn_without_blanks(text):
    analyze = CountVectorizer(ngram_range=(1, 3), analyzer="char").build_analyzer()
    assert sorted(ngrams_of(text, "character")) == sorted(analyze(text.replace(" ", "")))


def test_the_counts_of_a_text_are_those_of_scikit_learn():
    counter = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").fit(ENGLISH)
    encoder = NgramEncoder(counter.get_feature_names_out().tolist(), "word")
    arrays = encoder.encode(ENGLISH)
    rows = [Counter(arrays.ids[start:end].tolist()) for start, end in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]
    expected = counter.transform(ENGLISH).toarray()
    assert [[row[number] for number in range(encoder.size)] for row in rows] == expected.tolist()


def test_full_width_letters_are_the_same_words():
    assert list(ngrams_of("ＲＡＴＥ cut", "word")) == ["rate", "cut", "rate cut"]


def test_an_unknown_ngram_is_left_out():
    assert names(NgramEncoder(["cut", "rate"], "word"), "rate cut unheard rate") == ["cut", "rate", "rate"]


def test_the_most_frequent_ngrams_are_kept_and_ties_go_to_the_alphabetically_first():
    assert fit_ngrams(["b a", "b", "c"], 2).ngrams == ("a", "b")


def test_an_ngram_counts_once_per_text():
    assert fit_ngrams(["a a a", "b", "b"], 1).ngrams == ("b",)


def test_of_more_than_100_texts_an_ngram_needs_two():
    assert fit_ngrams([f"rate w{number}" for number in range(101)], 1000).ngrams == ("rate",)


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["The bank cut rates"], "word"),
        (["央行降息"], "character"),
        (["日本銀行が利上げ"], "character"),
        (["금리 인하"], "character"),
        (["Bank of China (中) cut rates again"], "word"),
        ([], "word"),
        (["", "..."], "word"),
    ],
)
def test_the_unit_follows_the_script(texts, unit):
    assert unit_of(texts) == unit


def test_chinese_training_texts_give_character_ngrams():
    encoder = fit_ngrams(["央行降息", "央行加息"], 3)
    assert encoder.unit == "character"
    assert encoder.ngrams == tuple(sorted(["央", "央行", "息"]))


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_a_saved_encoder_encodes_the_same(tmp_path, texts):
    encoder = fit_ngrams(texts, 50)
    opened = NgramEncoder.load(tmp_path, encoder.save(tmp_path))
    assert opened.encode(texts).ids.tolist() == encoder.encode(texts).ids.tolist()


@pytest.mark.parametrize("content", ["3", "null", '{"a": 1}', "[[]]", "[1, 2]", '["a", "a"]', "["], ids=str)
def test_a_vocabulary_that_is_no_list_of_words_is_refused(tmp_path, content):
    ClassifyCodec(labels=("x", "y"), encoder=NgramEncoder(["a", "b"], "word")).save(tmp_path)
    (tmp_path / "ngrams.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleFault):
        load_codec(tmp_path)
