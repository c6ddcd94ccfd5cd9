from transformers import BertConfig, RobertaConfig

from smelt.models.build import positions_of


def test_roberta_reads_two_tokens_fewer_than_it_has_positions():
    # Its first token has position 2: padding_idx + 1, as RobertaEmbeddings numbers them.
    assert positions_of(RobertaConfig(max_position_embeddings=514)) == 512


def test_bert_reads_as_many_tokens_as_it_has_positions():
    assert positions_of(BertConfig(max_position_embeddings=512)) == 512
