"""A tiny network of every architecture whose matrices are known, without dropout."""

import torch
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig, ElectraConfig, RobertaConfig

from smelt.models.transformer import TransformerNetwork

_SIZES = {
    "vocab_size": 20, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 20, "num_labels": 3,
    "pad_token_id": 0, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
CONFIGS = {
    "bert": BertConfig(**_SIZES),
    "roberta": RobertaConfig(**_SIZES),
    "electra": ElectraConfig(**_SIZES, embedding_size=12),
    "distilbert": DistilBertConfig(
        vocab_size=20,
        dim=24,
        n_layers=2,
        n_heads=4,
        hidden_dim=20,
        num_labels=3,
        dropout=0.0,
        attention_dropout=0.0,
        seq_classif_dropout=0.0,
    ),
}


def family(kind):
    """A network whose documents have unlike scores from the start."""
    torch.manual_seed(2)
    network = TransformerNetwork(AutoModelForSequenceClassification.from_config(CONFIGS[kind]))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return network
