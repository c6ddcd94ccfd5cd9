"""A smaller vocabulary: what was seen is answered as before, what was not is spelt."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from smelt.compress.tokens import kept_tokens, prune_tokens
from smelt.compress.vocabulary import used_tokens
from smelt.errors import UsageFault
from smelt.models.build import Model, build_model
from smelt.models.session import LiveSession
from smelt.recipe.model import CnnModel, ScratchTransformer, StaticModel, Vocabulary
from smelt.tasks.tokens import TokenEncoder
from smelt.train.rows import Rows

SEEN = ["the bank cut its rate", "the bank raised its rate again"]
REST = ["central bankers meet tomorrow about bonds", "crude oil barrels drilling"]
LABELS = ("down", "up", "flat")
SIZES = {"dim": 16, "max_tokens": 24, "vocabulary": Vocabulary(size=300)}
SECTIONS = [ScratchTransformer(layers=1, heads=2, feed_forward=8, **SIZES), CnnModel(filters=3, **SIZES), StaticModel(hidden=5, **SIZES)]


@pytest.fixture(params=SECTIONS, ids=lambda section: section.kind)
def model(request):
    return build_model(request.param, LABELS, SEEN * 5 + REST * 5, seed=0)


def pruned(model):
    return prune_tokens(model, Rows(model.codec.encode(SEEN), np.zeros(len(SEEN), np.int64)))


def test_what_was_seen_is_answered_as_before(model):
    small = pruned(model)
    ours, theirs = (LiveSession(one.network, threads=1).scores(one.codec.encode(SEEN)) for one in (model, small))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert small.network.embedding.num_embeddings == small.codec.encoder.size < model.codec.encoder.size


def test_rare_words_are_spelt_and_nothing_known_by_letters_is_unknown(model):
    small = pruned(model)
    tokens = small.codec.encoder.tokenizer.encode("bankers drilling").tokens
    assert "bank" in tokens
    assert len(tokens) > len(model.codec.encoder.tokenizer.encode("bankers drilling").tokens)
    assert small.codec.unknown_tokens(small.codec.encode(REST)) == 0


def test_what_the_letters_cannot_spell_is_counted(model):
    small = pruned(model)
    arrays = small.codec.encode(["the \u0416\u0416 rate"])
    assert small.codec.unknown_tokens(arrays) == 1


def test_the_frame_and_the_padding_stay(model):
    small = pruned(model)
    encoded = small.codec.encoder.tokenizer.encode("the bank")
    assert (encoded.tokens[0], encoded.tokens[-1]) == ("[CLS]", "[SEP]")
    assert small.codec.encoder.tokenizer.token_to_id("[PAD]") == 0


def test_a_saved_model_is_the_same(model, tmp_path):
    small = pruned(model)
    small.network.save(tmp_path)
    small.codec.save(tmp_path)
    from smelt.models.build import load_model

    opened = load_model(tmp_path)
    texts = SEEN + REST
    ours, theirs = (LiveSession(one.network, threads=1).scores(one.codec.encode(texts)) for one in (small, opened))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_unigram_vocabularies_are_renumbered_too():
    pieces = [
        ("<unk>", 0.0),
        ("\u2581the", -1.0),
        ("\u2581bank", -1.5),
        ("\u2581oil", -2.0),
        ("\u2581", -3.0),
        *((letter, -4.0) for letter in "abeknhtoil"),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    model = build_model(SECTIONS[2], LABELS, SEEN, seed=0)
    network = type(model.network)(type(model.network.sizes)(vocabulary=len(pieces), dim=4, hidden=3, classes=3))
    whole = Model(network, type(model.codec)(labels=LABELS, encoder=TokenEncoder(tokenizer, 16)))
    small = prune_tokens(whole, Rows(whole.codec.encode(["the bank"]), np.zeros(1, np.int64)))
    assert small.codec.encoder.tokenizer.encode("the bank").tokens == ["\u2581the", "\u2581bank"]
    assert "\u2581oil" not in small.codec.encoder.tokenizer.get_vocab()


def test_byte_pair_vocabularies_are_refused(model):
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    codec = type(model.codec)(labels=LABELS, encoder=TokenEncoder(tokenizer, 16))
    with pytest.raises(UsageFault, match="BPE"):
        prune_tokens(Model(model.network, codec), Rows(codec.encode(["ab"]), np.zeros(1, np.int64)))


def test_special_tokens_letters_and_padding_always_stay(model):
    kept = kept_tokens(model.codec.encoder, used_tokens(Rows(model.codec.encode(["rate"]), np.zeros(1, np.int64))))
    vocabulary = model.codec.encoder.tokenizer.get_vocab()
    assert {0, vocabulary["[UNK]"], vocabulary["[MASK]"], vocabulary["rate"]} <= set(kept.tolist())
    assert torch.tensor(kept).diff().min() > 0
