"""A text as words that can be taken out of it."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from smelt.tasks.ngrams import CJK

MOST = 96
"""Pieces of a text at most: of longer ones neighbors count as one."""
_WORD = re.compile(rf"{CJK.pattern}|[^\s]+?(?={CJK.pattern}|\s|$)")


@dataclass(frozen=True, slots=True)
class Words:
    """A text, and where its pieces are: words, or single Chinese, Japanese and Korean characters."""

    text: str
    spans: tuple[tuple[int, int], ...]
    """Start and end of each piece."""

    def __len__(self) -> int:
        """Return how many pieces there are."""
        return len(self.spans)

    def names(self) -> list[str]:
        """Return the pieces as they stand in the text."""
        return [self.text[start:end] for start, end in self.spans]

    def keep(self, numbers: Iterable[int]) -> str:
        """Return the text with these pieces alone; what stood between them goes with the piece before it."""
        ends = [start for start, _ in self.spans[1:]] + [len(self.text)]
        return "".join(self.text[self.spans[number][0] : ends[number]] for number in sorted(numbers)).strip()

    def without(self, numbers: Iterable[int]) -> str:
        """Return the text without these pieces."""
        gone = set(numbers)
        return self.keep(number for number in range(len(self.spans)) if number not in gone)


def split_words(text: str, most: int = MOST) -> Words:
    """Return a text's words; where there are more than `most`, as many runs of neighbors, about equally long."""
    spans = [match.span() for match in _WORD.finditer(text)]
    if len(spans) > most:
        edges = [round(place * len(spans) / most) for place in range(most + 1)]
        spans = [(spans[first][0], spans[last - 1][1]) for first, last in pairwise(edges)]
    return Words(text, tuple(spans))


def by_word(words: Words, offsets: Sequence[tuple[int, int]], values: Sequence[float]) -> list[float]:
    """Return the sum over the tokens of each word.

    Args:
        words: of the text.
        offsets: where each token stands in it; (0, 0) for what frames the text. Some tokenizers count the space before a word in.
        values: of the tokens.
    """
    found = [0.0] * len(words)
    starts = [start for start, _ in words.spans]
    for (start, end), value in zip(offsets, values, strict=True):
        if end > start and starts:
            found[max(0, bisect_right(starts, end - 1) - 1)] += value
    return found
