import numpy as np
import pytest

from smelt.tasks.language import Pieces
from smelt.tasks.tokens import ragged
from smelt.train import documents
from smelt.train.documents import Tokens, encode_documents, open_documents
from smelt.train.language import open_rows

TEXTS = [f"{number % 7} " * (number % 5) for number in range(2500)]


def encode(texts):
    """Three tokens per document, four in every fifth one."""
    rows = [[len(text), 1, 2] if text else [0, 0, 1, 2] for text in texts]
    return Pieces(ragged(rows), np.arange(len(texts)), np.array([len(text) for text in texts]))


def encode_all(folder, encoder=encode, codec="", **words):
    encode_documents(lambda rows: TEXTS[rows], len(TEXTS), encoder, folder, codec, **words)


def shards(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(documents, "_SHARD_TOKENS", 3000)


def test_documents_are_encoded_into_shards_and_mapped(tmp_path, small_shards):
    told = []
    encode_all(tmp_path / "train", tell=lambda *how_far: told.append(how_far))
    assert told == [(1024, 3072 + 205), (2048, 6144 + 410), (2500, 7500 + 500)]
    assert shards(tmp_path / "train") == ["00000", "00001", "00002", "codec"]
    tokens, owners, sizes = open_documents(tmp_path / "train")
    assert all(isinstance(shard, np.memmap) for shard in tokens.shards)
    assert owners.tolist() == list(range(2500))
    assert sizes.tolist() == [len(text) for text in TEXTS]
    pieces = np.array([2499, 0, 1024, 1023, 7, 0])
    found, want = tokens.take(pieces), encode([TEXTS[piece] for piece in pieces]).arrays
    np.testing.assert_array_equal(found.ids, want.ids)
    np.testing.assert_array_equal(found.offsets, want.offsets)


def test_shards_give_the_same_rows_as_one(tmp_path, monkeypatch):
    encode_all(tmp_path / "one")
    monkeypatch.setattr(documents, "_SHARD_TOKENS", 1)
    encode_all(tmp_path / "several")
    assert len(shards(tmp_path / "one")) < len(shards(tmp_path / "several"))
    one, several = (open_rows(tmp_path / name, "best_fit", 9, None) for name in ("one", "several"))
    np.testing.assert_array_equal(one.order, several.order)
    numbers = np.arange(len(one))
    np.testing.assert_array_equal(one.covered(numbers, (0, 0)).targets, several.covered(numbers, (0, 0)).targets)
    assert len(open_rows(tmp_path / "one", "none", 9, None)) == 2500


def test_whole_shards_are_kept_and_a_torn_one_is_done_again(tmp_path, small_shards):
    seen = []

    def dying(texts):
        seen.append(len(texts))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return encode(texts)

    with pytest.raises(KeyboardInterrupt):
        encode_all(tmp_path / "train", dying, "mine")
    assert shards(tmp_path / "train") == ["00000", "codec", "work"]
    encode_all(tmp_path / "train", dying, "mine")
    assert seen == [1024, 1024, 1024, 452]
    encode_all(tmp_path / "whole")
    for found, want in zip(open_documents(tmp_path / "train"), open_documents(tmp_path / "whole"), strict=True):
        if isinstance(found, Tokens):
            found, want = (np.concatenate(one.shards) for one in (found, want))
        np.testing.assert_array_equal(found, want)


def test_shards_of_another_codec_are_thrown_away(tmp_path):
    encode_all(tmp_path / "train", codec="mine")
    encode_all(tmp_path / "train", lambda texts: Pieces(ragged([[9]] * len(texts)), np.arange(len(texts)), np.ones(len(texts), np.int64)))
    tokens, _, _ = open_documents(tmp_path / "train")
    assert tokens.offsets[-1] == 2500
