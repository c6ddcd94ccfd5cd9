import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.explain.words import by_word, split_words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a wonderful film!", ["a", "wonderful", "film!"]), ("央行降息 now", ["央", "行", "降", "息", "now"]), ("ab央c", ["ab", "央", "c"]),
        ("", []), ("  \n", []), ("  spaced  out ", ["spaced", "out"]),
    ],
)  # fmt: skip
def test_words(text, names):
    assert split_words(text).names() == names


@given(st.text(max_size=300))
def test_pieces_cover_everything_that_is_no_space_once(text):
    words = split_words(text, 20)
    assert len(words) <= 20
    assert all(start < end for start, end in words.spans)
    assert all(first[1] <= second[0] for first, second in zip(words.spans, words.spans[1:], strict=False))
    covered = {place for start, end in words.spans for place in range(start, end)}
    assert {place for place, character in enumerate(text) if not character.isspace()} <= covered
    assert words.keep(range(len(words))) == text.strip() or not len(words)


def test_what_is_kept_keeps_its_order_and_spacing():
    words = split_words("one  two three")
    assert words.keep([2, 0]) == "one  three"
    assert words.without([0]) == "two three"


def test_tokens_add_up_to_their_words():
    words = split_words("rate cuts!")
    assert by_word(words, [(0, 0), (0, 4), (5, 8), (8, 9), (9, 10), (0, 0)], [9.0, 1.0, 2.0, 3.0, 4.0, 9.0]) == [1.0, 9.0]


def test_tokens_that_begin_with_the_space_before_their_word_are_that_words():
    assert by_word(split_words("rate cuts bond"), [(0, 4), (4, 9), (9, 14)], [1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]
