import itertools
import math

import numpy as np
import pytest

from smelt.explain.attribution import attribute, log_odds
from smelt.explain.counterfactual import find_counterfactual
from smelt.explain.explanation import explain, telling_words
from smelt.explain.faithfulness import measure
from smelt.explain.page import draw_page

WEIGHTS = {"good": 2.0, "bad": -3.0, "not": -0.5, "fine": 1.0, "plain": 0.0}


def logit(text):
    words = text.split()
    pair = -4.0 if "not" in words and "good" in words else 0.0
    return 0.3 + sum(WEIGHTS[word] for word in words) + pair


def ask(texts):
    """Probabilities of two labels: words add up, but for one pair of them."""
    odds = np.array([logit(text) for text in texts])
    yes = 1 / (1 + np.exp(-odds))
    return np.stack([1 - yes, yes], axis=1)


def exact(words):
    """Shapley values over all orders."""
    found = np.zeros(len(words))
    orders = list(itertools.permutations(range(len(words))))
    for order in orders:
        for place, number in enumerate(order):
            before, after = sorted(order[:place]), sorted(order[: place + 1])
            found[number] += logit(" ".join(words[n] for n in after)) - logit(" ".join(words[n] for n in before))
    return found / len(orders)


def test_occlusion_takes_one_word_out_at_a_time():
    found = attribute(ask, "not good fine", label=1, method="occlusion")
    assert found.probability == pytest.approx(1 / (1 + math.exp(-logit("not good fine"))))
    np.testing.assert_allclose(found.values, [-4.5, -2.0, 1.0], atol=1e-6)


def test_shapley_values_are_those_over_all_orders():
    text = "not good fine plain"
    found = attribute(ask, text, label=1, method="shapley")
    assert found.values.sum() == pytest.approx(logit(text) - logit(""), abs=1e-6)
    np.testing.assert_allclose(found.values, exact(text.split()), atol=0.6)
    # An order and the same backwards share a pair's effect evenly, so that one is exact.
    assert found.values[1] - found.values[0] == pytest.approx(exact(text.split())[1] - exact(text.split())[0])


@pytest.mark.parametrize("method", ["occlusion", "shapley"])
def test_the_answered_label_is_explained_unless_another_is_asked_for(method):
    assert attribute(ask, "bad", method=method).label == 0
    assert attribute(ask, "bad", method=method).values[0] == pytest.approx(3.0)
    assert attribute(ask, "bad", method=method, label=1).values[0] == pytest.approx(-3.0)
    assert len(attribute(ask, "", method=method).values) == 0


def test_log_odds_are_finite():
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_faithfulness_by_hand():
    found = attribute(ask, "good fine plain", label=1)
    measured = measure(ask, [found])
    whole, without_one, alone = (1 / (1 + math.exp(-logit(text))) for text in ("good fine plain", "fine plain", "good"))
    without_two, alone_two = (1 / (1 + math.exp(-logit(text))) for text in ("plain", "good fine"))
    # A twentieth, a tenth and a fifth of three words are one; half of them are two.
    assert measured.comprehensiveness == pytest.approx(whole - (3 * without_one + without_two) / 4)
    assert measured.sufficiency == pytest.approx(whole - (3 * alone + alone_two) / 4)


def test_a_method_that_is_wrong_is_less_faithful():
    texts = ["good plain plain", "bad plain fine", "plain good not"]
    right = [attribute(ask, text) for text in texts]
    wrong = [type(one)(words=one.words, values=-one.values, label=one.label, probability=one.probability, method="wrong") for one in right]
    assert measure(ask, right).score > measure(ask, wrong).score
    assert measure(ask, right).deletion < measure(ask, wrong).deletion


def test_the_fewest_words_are_changed():
    found = find_counterfactual(ask, "good fine plain bad")
    assert found.label == 0
    assert len(found.edits) == 1
    assert ask([found.text])[0].argmax() == 0
    assert find_counterfactual(ask, "plain plain") is None
    instead = find_counterfactual(ask, "fine plain", words=["bad"])
    assert instead.edits[0].instead == "bad"


def test_the_telling_words_of_other_answers_are_tried_in_a_words_place():
    explained = explain(ask, ["fine fine fine fine plain", "bad plain"], method="occlusion")
    assert telling_words(explained.found) == {1: "fine", 0: "bad"}
    first, second = explained.counterfactuals
    assert [(edit.word, edit.instead) for edit in first.edits] == [("fine", "bad"), ("fine", "bad")]
    assert (len(second.edits), second.label) == (1, 1)


def test_texts_are_explained_by_the_more_faithful_method_and_drawn():
    explained = explain(ask, ["not good fine plain", "bad fine"])
    assert explained.method in ("occlusion", "shapley")
    assert set(explained.faithfulness) == {"occlusion", "shapley"}
    page = draw_page(explained, ["no<b>", "yes"], title="<script>")
    assert "<script>" not in page
    assert "no&lt;b&gt;" in page
    assert page.count("<mark") >= 2
    assert "http" not in page.replace("http-equiv", "")
