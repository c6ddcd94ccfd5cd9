"""Text to token numbers by a tokenizer file of the `tokenizers` library."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, final, get_args

import numpy as np
from tokenizers import Tokenizer

from smelt.errors import BundleFault
from smelt.language import say
from smelt.types import Arrays, Cut

FILE = "tokenizer.json"
_HEAD_SHARE = 0.25
"""Of the tokens that are read where the middle is cut: so many from the start. Sun et al. 2019, arXiv 1905.05583, section 5.3.1."""
# A token is hardly ever longer than this many characters, so cutting the text first changes nothing but the time a hostile one costs.
_CHARACTERS_PER_TOKEN = 64
_PANIC = "PanicException"
"""What a panic of the library is called; its class cannot be imported."""
_MAX_TOKENS = range(4, 1_000_001)


@final
class TokenEncoder:
    """A tokenizer, the number of tokens that are read, and which ones of a longer document: the first, or some from both ends."""

    kind: Literal["tokens"] = "tokens"

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, cut: Cut = "end") -> None:
        """Take the tokenizer over: its padding is switched off, its truncation set to `max_tokens`, or off where we cut ourselves."""
        tokenizer.no_padding()
        if cut == "end":
            tokenizer.enable_truncation(max_tokens)
        else:
            tokenizer.no_truncation()
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.cut: Cut = cut

    @property
    def size(self) -> int:
        """Numbers are below this."""
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    @property
    def unknown(self) -> int | None:
        """The token that stands for what the vocabulary does not hold; None where every text can be spelt."""
        model = self.tokenizer.model
        name = getattr(model, "unk_token", None)
        return getattr(model, "unk_id", None) if name is None else self.tokenizer.token_to_id(name)

    def encode(self, texts: Sequence[str]) -> Arrays:
        """Return the token numbers of each text, special tokens included."""
        limit = self.max_tokens * _CHARACTERS_PER_TOKEN
        if self.cut == "end":
            return ragged([encoding.ids for encoding in self.tokenizer.encode_batch_fast([text[:limit] for text in texts])])
        shorter = [text if len(text) <= 2 * limit else f"{text[:limit]} {text[-limit:]}" for text in texts]
        return ragged([self._without_middle(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(shorter)])

    def pieces(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the token numbers of a text as `encode` does, and where each token stands in it; (0, 0) for what frames it."""
        encoding = self.tokenizer.encode(text)
        ids, offsets = encoding.ids, encoding.offsets
        if self.cut == "middle" and len(ids) > self.max_tokens:
            head = max(1, int(self.max_tokens * _HEAD_SHARE))
            ids, offsets = self._without_middle(ids), offsets[:head] + offsets[head - self.max_tokens :]
        return ids, offsets

    def is_cut(self, text: str, tokens: int) -> bool:
        """Say whether a text of which so many tokens were read has more."""
        limit = self.max_tokens * _CHARACTERS_PER_TOKEN
        if self.cut == "end":
            if len(text) > limit and not text[limit:].isspace():
                return True
            return tokens >= self.max_tokens and bool(self.tokenizer.encode(text[:limit]).overflowing)
        return len(text) > 2 * limit or (tokens >= self.max_tokens and len(self.tokenizer.encode(text).ids) > self.max_tokens)

    def _without_middle(self, ids: list[int]) -> list[int]:
        head = max(1, int(self.max_tokens * _HEAD_SHARE))
        return ids if len(ids) <= self.max_tokens else ids[:head] + ids[head - self.max_tokens :]

    def save(self, folder: Path) -> dict[str, object]:
        """Write the tokenizer file; return the settings that `load` needs beside it."""
        (folder / FILE).write_text(self.tokenizer.to_str(), encoding="utf-8")
        return {"kind": self.kind, "max_tokens": self.max_tokens, "cut": self.cut}

    @staticmethod
    def load(folder: Path, settings: dict[str, object]) -> "TokenEncoder":
        """Open what `save` wrote.

        Raises:
            BundleFault: the tokenizer file does not parse.
            ValueError: the number of tokens makes no sense. Below that of the special tokens the library would cut nothing.
        """
        max_tokens = settings["max_tokens"]
        if max_tokens not in _MAX_TOKENS:
            raise ValueError(say("max_tokens {found} is out of range", found=max_tokens))
        cut = settings.get("cut", "end")
        if cut not in get_args(Cut):
            raise ValueError(say("cut {found} is unknown", found=cut))
        return TokenEncoder(read_tokenizer(folder / FILE), int(str(max_tokens)), cut)  # pyright: ignore[reportArgumentType]  just checked


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer file and try it: some that parse fail on the first text.

    Raises:
        BundleFault: it is missing or does not work.
    """
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        tokenizer.encode("a b")
        return tokenizer
    except OSError as error:
        raise BundleFault(say("{path}: no tokenizer file", path=path), step=say("A model folder needs tokenizer.json.")) from error
    except BaseException as error:  # the library raises Exception itself, and its panics are no Exception
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        raise BundleFault(say("{path}: not a tokenizer file: {reason}", path=path, reason=str(error)[:200])) from error


def ragged(rows: Sequence[Sequence[int]]) -> Arrays:
    """Join lists of numbers into one ragged batch."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
    flat: Iterable[int] = chain.from_iterable(rows)
    return Arrays(ids=np.fromiter(flat, np.int32, int(offsets[-1])), offsets=offsets)
