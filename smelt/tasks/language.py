"""Text for models that learn language itself: documents in pieces that a model can read, and tokens that have to be guessed.

Shape letters: B documents, P pieces, T tokens of all of them together, V tokens of the vocabulary.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smelt.errors import BundleFault
from smelt.language import say
from smelt.tasks.ngrams import CJK
from smelt.tasks.tokens import FILE, ragged
from smelt.types import Arrays

NOT_ASKED = -100
"""Stands where nothing has to be guessed; torch's own `ignore_index`."""
_MASKS = ("[MASK]", "<mask>")
_CONTINUES, _BEGINS = "##", ("Ġ", "▁", "Ċ")
"""How WordPiece marks a token inside a word; how byte-level and sentence tokenizers mark one that begins a word."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Encoded documents, cut into what a model reads at once."""

    arrays: Arrays
    """P pieces."""
    owners: NDArray[np.int64]
    """Which document a piece is of, rising. Shape (P,)."""
    sizes: NDArray[np.int64]
    """Bytes of each document in UTF-8. Shape (B,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageCodec:
    """Everything between text and the pieces of a language model."""

    tokenizer: Tokenizer
    max_tokens: int
    """Of a piece, frame included."""
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    """What frames a document; where `causal` is False, every piece."""
    causal: bool

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Cut documents into pieces.

        In pieces for a decoder each but the first begins with the token before it, so that every token is guessed once.
        """
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        rows = [self._cut(encoding.ids) for encoding in found]
        owners = np.repeat(np.arange(len(rows)), [len(pieces) for pieces in rows])
        sizes = np.fromiter((len(text.encode()) for text in texts), np.int64, len(texts))
        return Pieces(ragged(list(chain.from_iterable(rows))), owners, sizes)

    def _cut(self, ids: list[int]) -> list[list[int]]:
        start, end = list(self.start), list(self.end)
        if self.causal:
            whole, step = [*start, *ids, *end], self.max_tokens - 1
            return [whole[place : place + self.max_tokens] for place in range(0, max(1, len(whole) - 1), step)]
        inside = self.max_tokens - len(start) - len(end)
        return [[*start, *ids[place : place + inside], *end] for place in range(0, max(1, len(ids)), inside)]

    def digest(self) -> str:
        """Return what tells this codec from every other."""
        facts = (self.tokenizer.to_str(), self.max_tokens, self.start, self.end, self.causal)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the tokenizer file, as every library reads it."""
        (folder / FILE).write_text(self.tokenizer.to_str(), encoding="utf-8")


def framing(tokenizer: Tokenizer, *, causal: bool, end: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what stands before and behind a document.

    Args:
        tokenizer: whose own template counts: `[CLS]` and `[SEP]`, or a token for the start.
        causal: for a decoder, whose documents end with a token, so that it learns to end.
        end: that token; it stands before the document too where the template has nothing.
    """
    template = tuple(tokenizer.encode("").ids)
    if not causal:
        return template[:1], template[1:2]
    ends = () if end is None else (end,)
    return template[:1] or ends, ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Which tokens are covered, and by what."""

    share: float
    """Of the words."""
    masked: float
    replaced: float
    """Of the covered tokens: by the mask, by a random token; the rest stay."""
    mask: int
    continues_V: NDArray[np.bool_]
    """Tokens that belong to the word of the token before them."""
    special_V: NDArray[np.bool_]
    """Tokens that frame and fill: never covered, and never in another's place."""

    def apply(self, arrays: Arrays, places_T: NDArray[np.int64], seed: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Cover tokens; what becomes of one depends on its place in the whole data and the seed, not on the batch.

        Args:
            arrays: pieces, each beginning with a word.
            places_T: of the tokens in the whole data; the tokens of a piece follow one another.
            seed: of one epoch.

        Returns:
            The tokens with some of them covered, and what has to be guessed, `NOT_ASKED` elsewhere. Both of shape (T,).
        """
        ids = np.asarray(arrays.ids)
        begins = ~self.continues_V[ids]
        begins[arrays.offsets[:-1][np.diff(arrays.offsets) > 0]] = True
        heads_T = np.maximum.accumulate(np.where(begins, np.arange(len(ids)), 0))
        covered = (chances(places_T[heads_T], (*seed, 0)) < self.share) & ~self.special_V[ids]
        fate, ordinary = chances(places_T, (*seed, 1)), np.flatnonzero(~self.special_V)
        others = ordinary[(chances(places_T, (*seed, 2)) * len(ordinary)).astype(np.int64)]
        seen = np.where(covered & (fate < self.masked), self.mask, ids)
        seen = np.where(covered & (fate >= self.masked) & (fate < self.masked + self.replaced), others, seen)
        return seen.astype(np.int32), np.where(covered, ids, NOT_ASKED).astype(np.int64)


def make_cover(tokenizer: Tokenizer, *, share: float, whole_words: bool, masked: float, replaced: float) -> Cover:
    """Read from a tokenizer what covering needs.

    Raises:
        BundleFault: it has no mask token.
    """
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    mask = next((vocabulary[name] for name in _MASKS if name in vocabulary), None)
    if mask is None:
        raise BundleFault(say("the tokenizer has no mask token"), step=say("Known are {known}.", known=", ".join(_MASKS)))
    size = max(vocabulary.values()) + 1
    special, continues = np.zeros(size, bool), np.zeros(size, bool)
    special[[number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]] = True
    special[mask] = True
    marked = any(name.startswith(_BEGINS) for name in vocabulary)
    for name, number in vocabulary.items() if whole_words else ():
        continues[number] = (
            _is_inside(tokenizer.decode([number])) and not name.startswith(_BEGINS) if marked else name.startswith(_CONTINUES)
        )
    return Cover(share=share, masked=masked, replaced=replaced, mask=mask, continues_V=continues & ~special, special_V=special)


def _is_inside(text: str) -> bool:
    """Say whether a token may be inside a word: it begins with a letter or digit, and not of a script in which each is a word."""
    return text[:1].isalnum() and not CJK.match(text)


def chances(places: NDArray[np.int64], seed: Sequence[int]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each place: the same for the same place and seed, whatever stands beside it.

    Source: SplitMix64, Steele, Lea and Flood 2014, of the place and a key that numpy derives from the seed.
    """
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        mixed = (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) * 2.0**-53
