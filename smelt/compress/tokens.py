"""Throw out the tokens that never occur: smaller tables, the same answers on what was seen. Rarer words fall apart into letters.

What can spell anything stays: special tokens, single characters and bytes. Source: TextPruner, Yang et al. 2022, section 3.2.

Shape letters: V tokens of the vocabulary, U tokens that stay.
"""

import copy
import json
import re
from dataclasses import replace
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smelt.compress.vocabulary import used_tokens
from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.build import Model
from smelt.tasks.ngrams import NgramEncoder
from smelt.tasks.tokens import TokenEncoder
from smelt.train.rows import Rows

_KINDS = ("WordPiece", "WordLevel", "Unigram")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_MARKS = ("##", "\u2581", "\u0120")
"""What stands before a piece inside a word, or at its start, in WordPiece, SentencePiece and byte-level vocabularies."""


def prune_tokens(model: Model, *splits: Rows) -> Model:
    """Return a copy that knows only the tokens of the splits and what can spell any word.

    Args:
        model: its encoder reads tokens of a WordPiece or Unigram vocabulary. Byte-pair merges cannot be left out one by one.
        splits: encoded documents whose tokens stay.

    Raises:
        UsageFault: the vocabulary is of another kind.
    """
    encoder = model.codec.encoder
    assert isinstance(encoder, TokenEncoder)
    kept_U = kept_tokens(encoder, used_tokens(*splits))
    tokenizer = _smaller(encoder.tokenizer, kept_U)
    codec = replace(model.codec, encoder=TokenEncoder(tokenizer, encoder.max_tokens, encoder.cut))
    network = copy.deepcopy(model.network)
    network.keep_tokens(torch.from_numpy(kept_U))
    return Model(network, codec)


def check_vocabulary(encoder: TokenEncoder | NgramEncoder) -> None:
    """Refuse a tokenizer whose tokens cannot be left out, before anything is trained.

    Raises:
        UsageFault: it is none of WordPiece, WordLevel and Unigram.
    """
    kind = json.loads(encoder.tokenizer.to_str())["model"]["type"] if isinstance(encoder, TokenEncoder) else encoder.kind
    if kind not in _KINDS:
        _refuse(kind)


def _refuse(kind: str) -> NoReturn:
    raise UsageFault(
        say("compress.vocabulary: a tokenizer of kind {kind} cannot do without some of its tokens", kind=kind),
        step=say("Take vocabulary: whole."),
    )


def kept_tokens(encoder: TokenEncoder, used_U: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of the tokens that stay, rising. Token 0 is padding and always stays."""
    vocabulary = encoder.tokenizer.get_vocab(with_added_tokens=True)
    special = set(encoder.tokenizer.get_added_tokens_decoder())
    spelling = {number for token, number in vocabulary.items() if _spells(token)}
    return np.array(sorted({0, *used_U.tolist(), *special, *spelling}), np.int64)


def _spells(token: str) -> bool:
    bare = token
    for mark in _MARKS:
        bare = bare.removeprefix(mark)
    return len(bare) <= 1 or _BYTE.fullmatch(token) is not None


def _smaller(tokenizer: Tokenizer, kept_U: NDArray[np.int64]) -> Tokenizer:
    """Renumber the vocabulary in the tokenizer's own file."""
    whole = json.loads(tokenizer.to_str())
    number = {int(old): new for new, old in enumerate(kept_U)}
    kind = whole["model"]["type"]
    match kind:
        case "WordPiece" | "WordLevel":
            whole["model"]["vocab"] = {token: number[old] for token, old in whole["model"]["vocab"].items() if old in number}
        case "Unigram":
            whole["model"]["vocab"] = [piece for old, piece in enumerate(whole["model"]["vocab"]) if old in number]
            if whole["model"].get("unk_id") is not None:
                whole["model"]["unk_id"] = number[whole["model"]["unk_id"]]
        case _:
            _refuse(kind)
    for token in whole["added_tokens"]:
        token["id"] = number[token["id"]]
    _renumber_frame(whole.get("post_processor"), number)
    return Tokenizer.from_str(json.dumps(whole))


def _renumber_frame(part: object, number: dict[int, int]) -> None:
    """Renumber the tokens that frame a document, wherever they stand in the post-processor."""
    if isinstance(part, list):
        for each in part:
            _renumber_frame(each, number)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name == "ids" and isinstance(value, list):
                part[name] = [number[old] for old in value]
            elif name in ("sep", "cls") and isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
                part[name] = [value[0], number[value[1]]]
            else:
                _renumber_frame(value, number)
