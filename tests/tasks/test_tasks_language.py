from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from smelt.errors import BundleFault
from smelt.tasks.language import NOT_ASKED, LanguageCodec, chances, framing, make_cover
from smelt.tasks.tokens import ragged

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##believ", "##able", "cat", "dog", "中", "国"]


def tokenizer(words=WORDS):
    made = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens([word for word in words if word.startswith("[")])
    return made


def codec(causal, max_tokens):
    return LanguageCodec(tokenizer=tokenizer(), max_tokens=max_tokens, start=(2,), end=(3,), causal=causal)


def pieces_of(found):
    offsets = found.arrays.offsets
    return [found.arrays.ids[begin:end].tolist() for begin, end in pairwise(offsets)]


def test_pieces_of_an_encoder_are_framed_each():
    found = codec(causal=False, max_tokens=5).encode(["cat dog cat dog", "dog", ""])
    assert pieces_of(found) == [[2, 8, 9, 8, 3], [2, 9, 3], [2, 9, 3], [2, 3]]
    assert found.owners.tolist() == [0, 0, 1, 2]
    assert found.sizes.tolist() == [15, 3, 0]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(2, 9))
def test_pieces_of_a_decoder_guess_every_token_once(lengths, max_tokens):
    texts = [" ".join(["cat", "dog"][place % 2] for place in range(length)) for length in lengths]
    found = codec(causal=True, max_tokens=max_tokens).encode(texts)
    for number, length in enumerate(lengths):
        own = [piece for piece, owner in zip(pieces_of(found), found.owners, strict=True) if owner == number]
        assert all(2 <= len(piece) <= max_tokens for piece in own)
        guessed = [token for piece in own for token in piece[1:]]
        assert guessed == [*(8 + place % 2 for place in range(length)), 3]
        assert all(before[-1] == after[0] for before, after in pairwise(own))


def test_bytes_are_counted_in_utf8():
    assert codec(causal=False, max_tokens=8).encode(["中国"]).sizes.tolist() == [6]


def cover(**settings):
    return make_cover(tokenizer(), **({"share": 0.5, "whole_words": True, "masked": 0.8, "replaced": 0.1} | settings))


def covered(many, places=None, seed=(0, 0), **settings):
    places = np.arange(len(many.ids)) if places is None else places
    return cover(**settings).apply(many, places, seed)


def test_the_share_of_words_is_covered_and_replaced_as_asked():
    many = ragged([[2, 8, 9, 10, 11, 3]] * 20_000)
    seen, wanted = covered(many, share=0.15)
    asked = wanted != NOT_ASKED
    assert asked.reshape(-1, 6)[:, [0, 5]].sum() == 0
    assert asked.sum() / (4 * 20_000) == pytest.approx(0.15, abs=0.005)
    assert (wanted[asked] == many.ids[asked]).all()
    assert (seen[asked] == 4).mean() == pytest.approx(0.8, abs=0.01)
    # Of the tenth that is replaced one in seven happens to get its own token.
    assert (seen[asked] == many.ids[asked]).mean() == pytest.approx(0.1 + 0.1 / 7, abs=0.01)
    assert (seen[~asked] == many.ids[~asked]).all()
    assert set(seen[asked].tolist()) <= set(range(4, 12))


def test_a_word_is_covered_as_a_whole_or_not_at_all():
    many = ragged([[2, 5, 6, 7, 8, 3]] * 500)
    whole = (covered(many, masked=1.0, replaced=0.0)[0] == 4).reshape(-1, 6)
    assert (whole[:, 1] == whole[:, 2]).all()
    assert (whole[:, 1] == whole[:, 3]).all()
    assert (whole[:, 1] != whole[:, 4]).any()
    single = (covered(many, whole_words=False)[1] != NOT_ASKED).reshape(-1, 6)
    assert (single[:, 1] != single[:, 2]).any()


def test_what_becomes_of_a_token_does_not_depend_on_its_neighbors_in_the_batch():
    documents = [[2, 8, 5, 6, 3], [2, 9, 10, 3], [2, 5, 7, 8, 9, 3]]
    all_seen, all_wanted = covered(ragged(documents))
    last_seen, last_wanted = covered(ragged(documents[2:]), places=np.arange(9, 15))
    assert all_seen[9:].tolist() == last_seen.tolist()
    assert all_wanted[9:].tolist() == last_wanted.tolist()
    other, _ = covered(ragged(documents * 20), places=np.arange(300), seed=(0, 1))
    assert (other != covered(ragged(documents * 20))[0]).any()


def test_byte_level_words_begin_with_a_space_and_chinese_characters_stand_alone():
    made = Tokenizer(
        models.BPE({name: number for number, name in enumerate(["<s>", "</s>", "<mask>", "Ġcat", "s", "Ġdog", ".", "中"])}, [])
    )
    made.add_special_tokens(["<s>", "</s>", "<mask>"])
    found = make_cover(made, share=0.5, whole_words=True, masked=0.8, replaced=0.1)
    assert found.continues_V.tolist() == [False, False, False, False, True, False, False, False]
    assert found.mask == 2


def test_a_tokenizer_without_a_mask_is_refused():
    with pytest.raises(BundleFault, match="no mask token"):
        make_cover(tokenizer(["[PAD]", "[UNK]", "cat"]), share=0.15, whole_words=True, masked=0.8, replaced=0.1)


def test_chances_are_even_and_follow_from_place_and_seed():
    found = chances(np.arange(100_000), (1, 2))
    assert ((found >= 0) & (found < 1)).all()
    counts = np.histogram(found, 20, (0, 1))[0]
    assert np.abs(counts - 5000).max() < 5 * 5000**0.5
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(found, chances(np.arange(100_000), (1, 3)))[0, 1]) < 0.02
    assert chances(np.array([77]), (1, 2))[0] == found[77]


@pytest.mark.parametrize(
    ("template", "causal", "end", "want"),
    [
        ("[CLS] $A [SEP]", False, None, ((2,), (3,))),
        ("[CLS] $A [SEP]", True, 3, ((2,), (3,))),
        ("$A", True, 3, ((3,), (3,))),
        ("$A", True, None, ((), ())),
        ("[CLS] $A", True, 3, ((2,), (3,))),
    ],
)
def test_what_frames_a_document(template, causal, end, want):
    from tokenizers import processors

    made = tokenizer()
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    assert framing(made, causal=causal, end=end) == want
