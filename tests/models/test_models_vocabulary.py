from smelt.models.vocabulary import train_encoder
from smelt.recipe.model import Vocabulary

ENGLISH = ["The bank cut its rate.", "The bank raised its rates again.", "Bonds fell as the bank spoke."] * 5
CHINESE = ["央行宣布降息", "央行宣布加息", "股市上涨"] * 5


def tokens(encoder, text):
    return [encoder.tokenizer.id_to_token(number) for number in encoder.encode([text]).ids]


def test_padding_is_token_0():
    assert train_encoder(ENGLISH, Vocabulary(size=100), 16).tokenizer.token_to_id("[PAD]") == 0


def test_a_text_stands_between_the_special_tokens():
    known = tokens(train_encoder(ENGLISH, Vocabulary(size=300), 16), "the bank")
    assert known == ["[CLS]", "the", "bank", "[SEP]"]


def test_an_unseen_word_is_spelled_from_pieces():
    pieces = tokens(train_encoder(ENGLISH, Vocabulary(size=300), 16), "banked")[1:-1]
    assert "".join(piece.removeprefix("##") for piece in pieces) == "banked"


def test_an_unseen_letter_is_unknown():
    assert tokens(train_encoder(ENGLISH, Vocabulary(size=300), 16), "Ω")[1:-1] == ["[UNK]"]


def test_chinese_is_read_character_by_character():
    assert tokens(train_encoder(CHINESE, Vocabulary(size=100), 16), "央行降息") == ["[CLS]", "央", "行", "降", "息", "[SEP]"]


def test_case_is_folded_if_asked_for():
    folded = train_encoder(ENGLISH, Vocabulary(size=300, lowercase=True), 16)
    kept = train_encoder(ENGLISH, Vocabulary(size=300, lowercase=False), 16)
    assert tokens(folded, "The") == tokens(folded, "the")
    assert tokens(kept, "The") != tokens(kept, "the")


def test_the_vocabulary_is_no_larger_than_asked_for():
    assert train_encoder(ENGLISH, Vocabulary(size=100), 16).size <= 100


def test_a_document_is_cut_at_the_number_of_tokens():
    assert len(train_encoder(ENGLISH, Vocabulary(size=100), 6).encode(["the bank cut its rate again"]).ids) == 6


def test_the_same_text_gives_the_same_tokens():
    assert len({train_encoder(ENGLISH, Vocabulary(size=120), 16).tokenizer.to_str() for _ in range(8)}) == 1


def test_more_than_a_thousand_chinese_characters_are_known():
    characters = [chr(0x4E00 + number) for number in range(1500)]
    encoder = train_encoder(["".join(characters[start : start + 9]) for start in range(0, 1500, 3)], Vocabulary(size=4000), 1600)
    assert "[UNK]" not in tokens(encoder, "".join(characters))


def test_the_most_frequent_characters_are_known_where_not_all_fit():
    texts = ["央行" * 9, *[chr(0x4E00 + number) for number in range(300)]]
    encoder = train_encoder(texts, Vocabulary(size=100), 16)
    assert tokens(encoder, "央行")[1:-1] == ["央", "行"]
    assert encoder.size <= 100


def test_a_marked_letter_in_a_text_is_not_taken_for_a_piece():
    assert "##e" not in tokens(train_encoder(ENGLISH, Vocabulary(size=300), 16), "##e")
