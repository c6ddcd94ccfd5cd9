import numpy as np

from smelt.explain.surrogate import fit_surrogate


def test_a_model_of_few_words_is_found_again():
    generator = np.random.default_rng(0)
    filler = [f"word{number}" for number in range(30)]
    texts, answers = [], []
    for _ in range(600):
        words = list(generator.choice(filler, 8))
        kind = int(generator.integers(3))
        if kind:
            words[int(generator.integers(8))] = ("rain", "sun")[kind - 1]
        texts.append(" ".join(words))
        answers.append(("none", "wet", "dry")[kind])
    found = fit_surrogate(texts, answers)
    assert found.texts == 180
    assert found.linear > 0.95
    assert found.tree > 0.95
    assert found.linear_bounds[0] < found.linear <= found.linear_bounds[1] <= 1
    assert found.majority < 0.5
    assert found.words["wet"][0][0] == "rain"
    assert found.words["dry"][0][0] == "sun"
    assert "rain" in found.rules
    assert found.features < 400


def test_two_labels_have_words_each():
    texts = [f"{'good' if number % 2 else 'bad'} film {number % 7}" for number in range(200)]
    found = fit_surrogate(texts, ["yes" if number % 2 else "no" for number in range(200)])
    assert found.words["yes"][0][0].startswith("good")
    assert found.words["no"][0][0].startswith("bad")
