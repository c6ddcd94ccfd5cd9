"""Train a tokenizer on the user's own text: WordPiece over words, single characters for Chinese, or pairs of bytes.

The same text gives the same tokens.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from smelt.recipe.model import Vocabulary
from smelt.tasks.tokens import TokenEncoder
from smelt.types import Cut

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_BYTE_SPECIAL = ("<pad>", "<s>", "</s>", "<mask>")
_INSIDE = "##"


def train_encoder(texts: Iterable[str], section: Vocabulary, max_tokens: int, cut: Cut = "end") -> TokenEncoder:
    """Fit a tokenizer to training documents; `max_tokens` are read of a document, and the rest is cut where `cut` says."""
    return TokenEncoder(train_tokenizer(texts, section), max_tokens, cut)


def train_tokenizer(texts: Iterable[str], section: Vocabulary) -> Tokenizer:
    """Fit a tokenizer whose padding is token 0, and which frames a document by two tokens: `[CLS]` and `[SEP]`, or `<s>` and `</s>`."""
    return _byte_pairs(texts, section) if section.method == "byte_bpe" else _wordpiece(list(texts), section)


def _byte_pairs(texts: Iterable[str], section: Vocabulary) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=section.size,
        special_tokens=list(_BYTE_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def _wordpiece(documents: Sequence[str], section: Vocabulary) -> Tokenizer:
    learner = _tokenizer({}, section)
    letters, insides = _letters(documents, learner, most=(section.size - len(_SPECIAL)) // 2)
    # The trainer numbers letters inside words in an order of chance and breaks ties by number; given as special tokens they have theirs.
    trainer = trainers.WordPieceTrainer(
        vocab_size=section.size,
        special_tokens=[*_SPECIAL, *insides],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    learner.train_from_iterator(documents, trainer)
    tokenizer = _tokenizer(learner.get_vocab(), section)
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def _tokenizer(vocabulary: dict[str, int], section: Vocabulary) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=section.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=_INSIDE)
    return tokenizer


def _letters(documents: Sequence[str], tokenizer: Tokenizer, most: int) -> tuple[list[str], list[str]]:
    """Return the most frequent letters, and those of them that stand inside words, with their mark; the most frequent first."""
    words: Counter[str] = Counter()
    for document in documents:
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(document)))
    seen: Counter[str] = Counter()
    inside: set[str] = set()
    for word, count in words.items():
        for letter in word:
            seen[letter] += count
        inside.update(word[1:])
    letters = sorted(seen, key=lambda letter: (-seen[letter], letter))[:most]
    return letters, [_INSIDE + letter for letter in letters if letter in inside]
