import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smelt.errors import BundleFault
from smelt.tasks import tokens
from smelt.tasks.tokens import TokenEncoder, ragged, read_tokenizer


@pytest.fixture
def encoder(make_tokenizer):
    return TokenEncoder(make_tokenizer(), 9)


def rows_of(arrays):
    return [arrays.ids[start:end].tolist() for start, end in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]


PANIC = type("PanicException", (BaseException,), {})


@pytest.mark.parametrize(
    ("raised", "told"),
    [(ValueError("x"), BundleFault), (PANIC("x"), BundleFault), (KeyboardInterrupt(), KeyboardInterrupt), (GeneratorExit(), GeneratorExit)],
)
def test_panics_of_the_library_are_faults_and_nothing_else_is_caught(make_tokenizer, tmp_path, monkeypatch, raised, told):
    TokenEncoder(make_tokenizer(), 8).save(tmp_path)

    class Broken:
        @staticmethod
        def from_str(_text):
            raise raised

    monkeypatch.setattr(tokens, "Tokenizer", Broken)
    with pytest.raises(told):
        read_tokenizer(tmp_path / tokens.FILE)


def test_the_middle_may_be_cut_instead_of_the_end(make_tokenizer, tmp_path):
    words = "rate cut bond rate cut bond rate cut"
    whole, *short = rows_of(TokenEncoder(make_tokenizer(), 100).encode([words, "rate", ""]))
    encoder = TokenEncoder(make_tokenizer(), 8, "middle")
    settings = encoder.save(tmp_path)
    for one in (encoder, TokenEncoder.load(tmp_path, settings)):
        assert rows_of(one.encode([words, "rate", ""])) == [whole[:2] + whole[-6:], *short]
    first, *_, last, end = rows_of(encoder.encode(["rate " + "x" * 2000 + " cut"]))[0][1:]
    assert (first, last, end) == (whole[1], whole[2], whole[-1])
    with pytest.raises(ValueError, match="cut"):
        TokenEncoder.load(tmp_path, settings | {"cut": "start"})


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from("rates cut bond央行 XY.\n")), max_size=5))
def test_a_batch_is_what_a_loop_over_the_tokenizer_gives(make_tokenizer, texts):
    tokenizer = make_tokenizer()
    arrays = TokenEncoder(make_tokenizer(), 100).encode(texts)
    assert rows_of(arrays) == [tokenizer.encode(text).ids for text in texts]


def test_numbers_are_int32_and_offsets_int64(encoder):
    arrays = encoder.encode(["rate cuts", ""])
    assert (arrays.ids.dtype, arrays.offsets.dtype, arrays.offsets.tolist()) == (np.int32, np.int64, [0, 5, 7])


def test_no_text_is_an_empty_batch(encoder):
    arrays = encoder.encode([])
    assert (len(arrays), arrays.ids.tolist(), arrays.offsets.tolist()) == (0, [], [0])


def test_a_long_text_is_cut_and_keeps_its_last_special_token(make_tokenizer):
    assert rows_of(TokenEncoder(make_tokenizer(), 4).encode(["rate cut bond rate", "bond"])) == [[2, 4, 5, 3], [2, 7, 3]]


def test_padding_of_the_file_is_switched_off(make_tokenizer):
    tokenizer = make_tokenizer()
    tokenizer.enable_padding(length=8)
    assert rows_of(TokenEncoder(tokenizer, 9).encode(["rate", "rate cut"])) == [[2, 4, 3], [2, 4, 5, 3]]


def test_a_text_of_a_million_words_gives_the_tokens_of_its_start(encoder):
    assert rows_of(encoder.encode(["rate cut bond " * 333_333])) == rows_of(encoder.encode(["rate cut bond " * 4]))


def test_numbers_are_below_the_size(encoder):
    assert encoder.size == 10
    assert encoder.encode(["央行 bond unheard"]).ids.max() == encoder.size - 1


def test_a_saved_encoder_encodes_the_same(encoder, tmp_path):
    opened = TokenEncoder.load(tmp_path, encoder.save(tmp_path))
    texts = ["Rate cuts", "央行 " + "bond " * 9, ""]
    assert rows_of(opened.encode(texts)) == rows_of(encoder.encode(texts))


def test_a_missing_tokenizer_file_is_a_bundle_fault(tmp_path):
    with pytest.raises(BundleFault, match=r"tokenizer\.json"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_folder_in_place_of_the_tokenizer_file_is_a_bundle_fault(tmp_path):
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(BundleFault):
        read_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{", b"\xff\xfe{}", b'{"version": "1.0"}', b'{"model": {"type": "Magic"}}', b"[" * 100_000],
    ids=["empty", "list", "null", "cut", "not utf-8", "no model", "unknown model", "deep"],
)
def test_a_file_that_is_no_tokenizer_is_a_bundle_fault(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(BundleFault):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_tokenizer_that_panics_on_its_first_text_is_a_bundle_fault(make_tokenizer, tmp_path, capfd):
    content = json.loads(make_tokenizer().to_str())
    content["post_processor"]["special_tokens"] = {}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleFault):
        read_tokenizer(tmp_path / "tokenizer.json")
    capfd.readouterr()  # the library's own words about its panic


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=5))
def test_ragged_joins_lists(rows):
    assert rows_of(ragged(rows)) == rows


@pytest.mark.parametrize("cut", ["end", "middle"])
def test_whether_a_text_has_more_than_is_read_is_said(make_tokenizer, cut):
    encoder = TokenEncoder(make_tokenizer(), 9, cut)
    far = ("A" * 700 if cut == "end" else "A" * 1400) + " rate rate"
    for text, want in (("rate cut", False), ("rate " * 7, False), ("rate " * 8, True), (far, True), ("rate" + " " * 600, False)):
        tokens = len(encoder.encode([text]).ids)
        assert encoder.is_cut(text, tokens) is want, (text[:20], cut)


@pytest.mark.parametrize("cut", ["end", "middle"])
def test_pieces_are_what_is_encoded_with_their_places(make_tokenizer, cut):
    encoder, text = TokenEncoder(make_tokenizer(), 9, cut), "rate cuts bond rate cut rate bond bond rate cut"
    ids, offsets = encoder.pieces(text)
    assert ids == encoder.encode([text]).ids.tolist()
    assert [text[start:end] for start, end in offsets[1:4]] == ["rate", "cut", "s"] if cut == "end" else len(ids) == len(offsets) == 9
