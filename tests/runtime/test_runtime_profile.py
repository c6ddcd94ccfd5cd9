import numpy as np
import pytest

from smelt.errors import BundleFault
from smelt.runtime.profile import FILE, length_shares, make_profile, read_profile, stability_index, write_profile


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profile = make_profile(["up", "down", "up"], [5, 9, 7], 2, ("down", "up", "中"))
    assert profile.labels == {"down": 1 / 3, "up": 2 / 3, "中": 0.0}
    assert profile.unknown == 2 / 21
    assert sum(profile.lengths) == pytest.approx(1)
    write_profile(tmp_path, profile)
    assert read_profile(tmp_path) == profile


def test_a_bundle_without_a_profile_has_none(tmp_path):
    assert read_profile(tmp_path) is None


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"texts": 1, "labels": [], "length_edges": [1], "lengths": [1, 0], "unknown": 0}'])
def test_something_else_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(BundleFault):
        read_profile(tmp_path)


def test_bins_of_lengths_hold_about_the_same_of_training():
    tokens = np.random.default_rng(0).integers(3, 200, size=5000).tolist()
    profile = make_profile(["a"] * 5000, tokens, 0, ("a",))
    np.testing.assert_allclose(profile.lengths, 0.1, atol=0.01)
    assert length_shares([1, 1, 500], profile.length_edges) == pytest.approx([2 / 3, *[0] * 8, 1 / 3])


def test_the_stability_index_is_the_sum_over_the_bins():
    many = (10**9, 10**9)
    assert stability_index([0.5, 0.5], [0.5, 0.5], many) == 0
    assert stability_index([0.2, 0.8], [0.4, 0.6], many) == pytest.approx(0.2 * np.log(2) - 0.2 * np.log(0.75))
    assert stability_index([0.0, 1.0], [0.5, 0.5], many) > 0.25


def test_many_labels_and_few_texts_are_no_drift_by_themselves():
    generator, shares = np.random.default_rng(0), np.full(77, 1 / 77)
    draws = [[generator.multinomial(n, shares) / n for n in (2000, 500)] for _ in range(200)]
    found = [stability_index(first, second, (2000, 500)) for first, second in draws]
    assert np.mean([stability_index(first, second, (10**9, 10**9)) for first, second in draws]) > 0.15
    assert np.mean(found) < 0.05
    assert max(found) < 0.25
