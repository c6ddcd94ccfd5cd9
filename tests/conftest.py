"""What all tests share: English messages, a state folder of their own, and a tokenizer of ten tokens."""

import os

import pytest
from hypothesis import settings
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

# Where every commit is checked, the same commit draws the same examples; elsewhere new ones are looked for.
settings.register_profile("ci", derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "rate", "cut", "##s", "bond", "央", "行")


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMELT_LANG", "en")
        patch.setenv("SMELT_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def make_tokenizer():
    """Builds a new WordPiece tokenizer of ten tokens, with BERT's special ones."""

    def make():
        tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        return tokenizer

    return make
