"""Text to n-gram numbers, as TF-IDF reads it: words and word pairs, or for Chinese characters up to triples."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, final

from smelt.language import say
from smelt.tasks.tokens import ragged
from smelt.types import Arrays

FILE = "ngrams.json"
Unit = Literal["word", "character"]
_WORD = re.compile(r"\w+")
CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
"""A Chinese, Japanese or Korean character."""
_MAX_CHARACTERS = 100_000


@final
class NgramEncoder:
    """A vocabulary of n-grams. An n-gram outside it is left out."""

    kind: Literal["ngrams"] = "ngrams"

    def __init__(self, ngrams: Sequence[str], unit: Unit) -> None:
        """Number the n-grams in the order given."""
        self.ngrams = tuple(ngrams)
        self.unit: Unit = unit
        self._number = {ngram: number for number, ngram in enumerate(self.ngrams)}

    @property
    def size(self) -> int:
        """Numbers are below this."""
        return len(self.ngrams)

    def encode(self, texts: Sequence[str]) -> Arrays:
        """Return the numbers of each text's known n-grams, repeated as often as they occur."""
        number = self._number
        return ragged([[number[ngram] for ngram in ngrams_of(text, self.unit) if ngram in number] for text in texts])

    def is_cut(self, text: str, _tokens: int) -> bool:
        """Say whether a text is longer than what is read of it."""
        return len(text) > _MAX_CHARACTERS

    def save(self, folder: Path) -> dict[str, object]:
        """Write the vocabulary; return the settings that `load` needs beside it."""
        (folder / FILE).write_text(json.dumps(self.ngrams, ensure_ascii=False), encoding="utf-8")
        return {"kind": self.kind, "unit": self.unit}

    @staticmethod
    def load(folder: Path, settings: dict[str, object]) -> "NgramEncoder":
        """Open what `save` wrote.

        Raises:
            ValueError: the file holds something else.
        """
        ngrams = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if not is_words(ngrams):
            raise ValueError(say("the n-grams are not different words"))
        return NgramEncoder(ngrams, "character" if settings["unit"] == "character" else "word")


def is_words(value: object) -> bool:
    """Say whether a JSON value is a list of strings, no two of them equal."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value) and len(set(value)) == len(value)


def fit_ngrams(texts: Iterable[str], features: int) -> NgramEncoder:
    """Choose the most frequent n-grams of the training texts that occur in at least two of them.

    Args:
        texts: training documents, read once.
        features: most n-grams kept. Count. Ties go to the alphabetically first.
    """
    documents = list(texts)
    unit = unit_of(documents[:1000])
    seen: Counter[str] = Counter()
    for text in documents:
        seen.update(set(ngrams_of(text, unit)))
    least = 2 if len(documents) > 100 else 1
    frequent = sorted((ngram for ngram, count in seen.items() if count >= least), key=lambda ngram: (-seen[ngram], ngram))
    return NgramEncoder(sorted(frequent[:features]), unit)


def unit_of(texts: Sequence[str]) -> Unit:
    """Choose characters where a third or more of what is written is Chinese, Japanese or Korean, else words."""
    letters = sum(len(_WORD.findall(text)) + len(CJK.findall(text)) for text in texts)
    return "character" if sum(len(CJK.findall(text)) for text in texts) * 3 > letters else "word"


def ngrams_of(text: str, unit: Unit) -> Iterator[str]:
    """Yield single words and pairs of neighbors; of characters singles, pairs and triples. Folded to lower case, NFKC."""
    folded = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS]).lower()
    if unit == "word":
        words = _WORD.findall(folded)
        yield from words
        yield from map(" ".join, pairwise(words))
    else:
        squeezed = "".join(folded.split())
        for width in (1, 2, 3):
            yield from (squeezed[start : start + width] for start in range(len(squeezed) - width + 1))
