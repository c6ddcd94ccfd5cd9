"""Documents of one row do not see each other, and a network answers as the library's own does."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, BertConfig, ElectraConfig, GPT2Config, LlamaConfig, RobertaConfig
from transformers.models.mistral import MistralConfig
from transformers.models.qwen2 import Qwen2Config
from transformers.models.qwen3 import Qwen3Config

from smelt.errors import BundleFault
from smelt.models.folder import DECODERS
from smelt.models.language import LanguageNetwork, open_language
from smelt.models.network import CONFIG

ENCODER = {
    "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20, "pad_token_id": 1,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
DECODER = {
    "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 20, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
CONFIGS = {
    "bert": BertConfig(**ENCODER),
    "roberta": RobertaConfig(**ENCODER, bos_token_id=0, eos_token_id=2),
    "electra": ElectraConfig(**ENCODER, embedding_size=8),
    "llama": LlamaConfig(**DECODER),
    "qwen2": Qwen2Config(**DECODER),
    "qwen3": Qwen3Config(**DECODER, head_dim=4),
    "mistral": MistralConfig(**DECODER),
    "gpt2": GPT2Config(
        vocab_size=20,
        n_layer=2,
        n_embd=16,
        n_head=2,
        n_positions=32,
        bos_token_id=0,
        eos_token_id=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
}


def model_of(kind):
    torch.manual_seed(1)
    opener = AutoModelForCausalLM if kind in DECODERS else AutoModelForMaskedLM
    model = opener.from_config(CONFIGS[kind]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return model


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_documents_of_a_row_are_read_as_if_alone(kind, mode):
    model = model_of(kind)
    documents = [[0, 5, 6, 7, 2], [0, 9, 2], [0, 4, 8, 2]]
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([document])).logits[0] for document in documents]
        network = LanguageNetwork(model).train(mode == "train")
        ids = torch.tensor([[*documents[0], *documents[1], 1], [*documents[2], 1, 1, 1, 1, 1]])
        mask = torch.tensor([[1] * 5 + [2] * 3 + [0], [1] * 4 + [0] * 5])
        found = network(ids, mask)
        asked = torch.zeros_like(mask, dtype=torch.bool)
        asked[0, 6] = asked[1, 2] = True
        some = network(ids, mask, asked)
    # The second document would have other scores if it saw the first, or if its positions went on from it.
    packed = [found[0, :5], found[0, 5:8], found[1, :4]]
    for one, other in zip(alone, packed, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(some, torch.stack([found[0, 6], found[1, 2]]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2"])
def test_a_saved_network_is_what_the_library_loads(kind, tmp_path):
    model = model_of(kind)
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    want = model(input_ids=ids).logits
    network = LanguageNetwork(model).eval()
    network.save(tmp_path)
    opener = AutoModelForMaskedLM if kind == "bert" else AutoModelForCausalLM
    torch.testing.assert_close(opener.from_pretrained(tmp_path).eval()(input_ids=ids).logits, want)
    again, ready = open_language(tmp_path, causal=kind != "bert")
    assert ready
    torch.testing.assert_close(again.eval()(ids, torch.ones_like(ids)), want)


def test_a_model_of_the_other_sort_is_refused(tmp_path):
    LanguageNetwork(model_of("llama")).save(tmp_path)
    with pytest.raises(BundleFault, match="model_type 'llama' is not for this task"):
        open_language(tmp_path, causal=False)
    assert (tmp_path / CONFIG).is_file()


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = model_of("llama")
    with torch.no_grad():
        model.lm_head.weight[3, 3] = np.nan
    model.save_pretrained(tmp_path)
    with pytest.raises(BundleFault, match="not finite"):
        open_language(tmp_path, causal=True)
