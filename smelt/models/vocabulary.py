"""Train a tokenizer on the user's own text: WordPiece over words, single characters for Chinese."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from smelt.recipe.model import Vocabulary
from smelt.tasks.tokens import TokenEncoder

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_encoder(texts: Iterable[str], section: Vocabulary, max_tokens: int) -> TokenEncoder:
    """Fit a WordPiece tokenizer whose padding is token 0, as BERT's.

    Args:
        texts: training documents.
        section: size of the vocabulary and case.
        max_tokens: of a document; the rest is cut.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=section.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=section.size, special_tokens=list(_SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return TokenEncoder(tokenizer, max_tokens)
