"""Sizes out of a config.json: exact against transformers and published counts, and every wrong file told apart."""

import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from smelt.errors import EnvironmentFault, SmeltError, UsageFault
from smelt.plan.config import read_config, shape_of

LABELS = 8
BERT = {
    "model_type": "bert",
    "vocab_size": 53,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 17,
    "max_position_embeddings": 19,
    "type_vocab_size": 5,
}
DISTILBERT = {
    "model_type": "distilbert",
    "vocab_size": 53,
    "dim": 12,
    "n_layers": 2,
    "n_heads": 3,
    "hidden_dim": 17,
    "max_position_embeddings": 19,
}
MODERNBERT = {key: value for key, value in BERT.items() if key != "type_vocab_size"} | {"model_type": "modernbert", "pad_token_id": 0}
GPT2 = {"model_type": "gpt2", "vocab_size": 53, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 19}
NEOX = {
    "model_type": "gpt_neox",
    "vocab_size": 53,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 17,
}
OPT = {
    "model_type": "opt",
    "vocab_size": 53,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "ffn_dim": 17,
    "max_position_embeddings": 19,
}
BLOOM = {"model_type": "bloom", "vocab_size": 53, "hidden_size": 12, "n_layer": 2, "n_head": 3}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 53,
    "hidden_size": 24,
    "num_hidden_layers": 7,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 17,
}
MIXTRAL = LLAMA | {"model_type": "mixtral", "num_local_experts": 5, "num_experts_per_tok": 3}
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 10}
QWEN3_MOE = QWEN3 | {"model_type": "qwen3_moe", "num_experts": 5, "num_experts_per_tok": 3, "moe_intermediate_size": 11}

ENCODERS = {
    "bert": BERT,
    "bert as a decoder": BERT | {"is_decoder": True},
    "roberta": BERT | {"model_type": "roberta"},
    "xlm-roberta": BERT | {"model_type": "xlm-roberta"},
    "camembert": BERT | {"model_type": "camembert"},
    "distilbert": DISTILBERT,
    "electra": BERT | {"model_type": "electra", "embedding_size": 12},
    "electra, narrow rows": BERT | {"model_type": "electra", "embedding_size": 7},
    "modernbert": MODERNBERT,
    "modernbert, biases": MODERNBERT | {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True},
    "modernbert, bias of attention": MODERNBERT | {"attention_bias": True},
    "modernbert, bias of feed-forward": MODERNBERT | {"mlp_bias": True},
}
DECODERS = {
    "gpt2": GPT2,
    "gpt2, narrow": GPT2 | {"n_inner": 17},
    "gpt2, untied": GPT2 | {"n_inner": None, "tie_word_embeddings": False},
    "gpt_neox": NEOX,
    "gpt_neox, no bias of attention": NEOX | {"attention_bias": False, "tie_word_embeddings": True},
    "opt": OPT,
    "opt, narrow rows": OPT | {"word_embed_proj_dim": 7, "do_layer_norm_before": False},
    "opt, narrow rows, untied": OPT | {"word_embed_proj_dim": 7, "tie_word_embeddings": False},
    "opt, no biases": OPT | {"enable_bias": False, "layer_norm_elementwise_affine": False},
    "opt, no last norm": OPT | {"_remove_final_layer_norm": True},
    "bloom": BLOOM,
    "bloom, older names": {"model_type": "bloom", "vocab_size": 53, "n_embed": 12, "num_hidden_layers": 2, "num_attention_heads": 3},
    "llama": LLAMA,
    "llama, tied": LLAMA | {"tie_word_embeddings": True},
    "llama, all heads": LLAMA | {"num_key_value_heads": None},
    "llama, heads of keys unsaid": {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"},
    "llama, wide heads": LLAMA | {"head_dim": 10},
    "llama, bias of attention": LLAMA | {"attention_bias": True},
    "llama, bias of feed-forward": LLAMA | {"mlp_bias": True},
    "mistral": LLAMA | {"model_type": "mistral"},
    "mistral, wide heads": LLAMA | {"model_type": "mistral", "head_dim": 10},
    "mixtral": MIXTRAL,
    "qwen2": LLAMA | {"model_type": "qwen2"},
    "qwen3": QWEN3,
    "qwen3, biases": QWEN3 | {"attention_bias": True},
    "qwen3_moe": QWEN3_MOE,
    "phi3": LLAMA | {"model_type": "phi3", "pad_token_id": 0},
    "gemma": LLAMA | {"model_type": "gemma", "head_dim": 10},
    "gemma, untied, biases": LLAMA | {"model_type": "gemma", "head_dim": 10, "tie_word_embeddings": False, "attention_bias": True},
}


def built(config, kind):
    settings = AutoConfig.for_model(**config, num_labels=LABELS)
    with torch.device("meta"):
        model = kind.from_config(settings)
    return settings, sum(weights.numel() for weights in model.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_counts_as_its_classifier_without_the_matrix_onto_labels(name):
    config = ENCODERS[name]
    _, weights = built(config, AutoModelForSequenceClassification)
    shape = shape_of(config, "config.json")
    assert shape.weights == weights - LABELS * (shape.hidden + 1)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_counts_as_its_language_model(name):
    config = DECODERS[name]
    assert shape_of(config, "config.json").weights == built(config, AutoModelForCausalLM)[1]


@pytest.mark.parametrize("name", ENCODERS | DECODERS)
def test_the_file_that_transformers_writes_says_the_same(name, tmp_path):
    config = (ENCODERS | DECODERS)[name]
    AutoConfig.for_model(**config).save_pretrained(tmp_path)
    assert read_config(tmp_path) == shape_of(config, "config.json")


GQA_7B = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336}
PUBLISHED = {
    "BERT-base": (
        109_482_240,
        {
            "model_type": "bert",
            "vocab_size": 30522,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
        },
    ),
    "GPT-2": (124_439_808, {"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}),
    "Llama-2-7B": (
        6_738_415_616,
        {
            "model_type": "llama",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "intermediate_size": 11008,
            "tie_word_embeddings": False,
        },
    ),
    "Llama-3.1-8B": (8_030_261_248, GQA_7B | {"model_type": "llama", "vocab_size": 128256, "tie_word_embeddings": False}),
    "Mixtral-8x7B": (
        46_702_792_704,
        GQA_7B | {"model_type": "mixtral", "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_hold(name):
    weights, config = PUBLISHED[name]
    assert shape_of(config, "config.json").weights == weights


def test_sizes_land_in_their_fields():
    shape = shape_of(QWEN3_MOE, "config.json")
    found = (shape.layers, shape.hidden, shape.heads, shape.kv_heads, shape.head_width, shape.ffn, shape.vocab)
    assert found == (7, 24, 6, 2, 10, 11, 53)
    assert (shape.experts, shape.experts_per_token, shape.gated, shape.tied, shape.causal) == (5, 3, True, False, True)


@pytest.mark.parametrize(("config", "causal"), [(BERT, False), (BERT | {"is_decoder": True}, True), (MODERNBERT, False), (GPT2, True)])
def test_only_decoders_are_causal(config, causal):
    assert shape_of(config, "config.json").causal is causal


def test_a_narrow_embedding_counts_as_narrow():
    shape = shape_of(ENCODERS["electra, narrow rows"], "config.json")
    assert (shape.row_width, shape.embedding_weights) == (7, (53 + 19) * 7)


def test_a_file_and_its_folder_are_read_alike(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(BERT), encoding="utf-8")
    assert read_config(tmp_path) == read_config(tmp_path / "config.json") == shape_of(BERT, "x")


def refusal(config):
    with pytest.raises(UsageFault) as caught:
        shape_of(config, "some/config.json")
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("some/config.json: ")
    assert "{layers, hidden, heads, ffn, vocab}" in caught.value.step
    return caught.value.message.removeprefix("some/config.json: ")


def without(config, key):
    return {name: value for name, value in config.items() if name != key}


def test_an_unknown_family_is_told_the_nearest_and_all():
    message = refusal(BERT | {"model_type": "lama"})
    assert message.startswith('model_type: got "lama", want one of bert, roberta, ')
    assert message.endswith("gemma. Did you mean 'llama'?")


def test_an_unknown_family_without_a_neighbor_is_told_all():
    message = refusal(BERT | {"model_type": "mamba2"})
    assert message.endswith("phi3, gemma.")


@pytest.mark.parametrize("config", [{}, without(BERT, "model_type"), BERT | {"model_type": None}])
def test_a_missing_family_is_told_all(config):
    assert refusal(config).startswith("model_type: missing, want one of bert, ")


@pytest.mark.parametrize("found", [3, ["bert"], {"bert": 1}])
def test_a_family_that_is_no_word_is_shown(found):
    assert refusal(BERT | {"model_type": found}).startswith(f"model_type: got {json.dumps(found)}, want one of ")


@pytest.mark.parametrize(
    ("config", "key"),
    [(BERT, key) for key in BERT if key != "model_type"]
    + [(DISTILBERT, key) for key in DISTILBERT if key != "model_type"]
    + [(GPT2, key) for key in GPT2 if key != "model_type"]
    + [(OPT, key) for key in OPT if key != "model_type"]
    + [(MIXTRAL, key) for key in MIXTRAL if key != "model_type"]
    + [(QWEN3_MOE, key) for key in QWEN3_MOE if key not in ("model_type", "intermediate_size")]
    + [(ENCODERS["electra"], "embedding_size"), (DECODERS["mistral"], "num_key_value_heads"), (DECODERS["qwen2"], "num_key_value_heads")]
    + [(DECODERS["gemma"], "num_key_value_heads"), (DECODERS["gemma"], "head_dim")],
)
def test_a_missing_size_is_named(config, key):
    assert refusal(without(config, key)) == f"{key}: missing, want a whole number from 1 to 10,000,000"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (0, "0"),
        (-3, "-3"),
        (10_000_001, "10000001"),
        (12.0, "12.0"),
        (True, "true"),
        ("12", '"12"'),
        ([12], "[12]"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("x" * 99, '"' + "x" * 56 + "..."),
        pytest.param(10**5000, "int", id="digits"),
    ],
)
def test_a_size_that_is_none_is_shown(found, shown):
    assert refusal(BERT | {"hidden_size": found}) == f"hidden_size: got {shown}, want a whole number from 1 to 10,000,000"


@pytest.mark.parametrize("found", [None, 1, "false"])
def test_a_flag_that_is_none_is_shown(found):
    message = refusal(LLAMA | {"tie_word_embeddings": found})
    assert message == f"tie_word_embeddings: got {json.dumps(found)}, want true or false"


def test_heads_that_do_not_divide_the_width_are_refused():
    assert refusal(BERT | {"num_attention_heads": 5}) == "num_attention_heads: got 5, want a divisor of hidden_size, 12"


def test_heads_of_a_stated_width_need_not_divide_the_width():
    assert shape_of(LLAMA | {"model_type": "mistral", "hidden_size": 25, "head_dim": 4}, "config.json").attention_width == 24


def test_key_heads_that_do_not_divide_the_heads_are_refused():
    assert refusal(LLAMA | {"num_key_value_heads": 4}) == "num_key_value_heads: got 4, want a divisor of num_attention_heads, 6"


def test_more_experts_per_token_than_experts_are_refused():
    assert refusal(MIXTRAL | {"num_experts_per_tok": 6}) == "num_experts_per_tok: got 6, want at most num_local_experts, 5"


@pytest.mark.parametrize(
    ("config", "key", "found", "wanted"),
    [
        (BERT, "add_cross_attention", True, "false"),
        (QWEN3_MOE, "decoder_sparse_step", 2, "1"),
        (QWEN3_MOE, "mlp_only_layers", [0], "[]"),
    ],
)
def test_blocks_that_no_shape_describes_are_refused(config, key, found, wanted):
    assert refusal(config | {key: found}) == f"{key}: got {json.dumps(found)}, want {wanted}"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON: "),
        (b'{"model_type": "bert"', "not JSON: "),
        (b"\xff\xff\xff", "not JSON: "),
        (b"[" * 200_000, "not JSON: "),
        (b'{"hidden_size": 1' + b"0" * 5000 + b"}", "not JSON: "),
        (b"[1]", "a JSON list, want an object"),
        (b"null", "a JSON NoneType, want an object"),
        (b" " * 5_000_001, "larger than 5000000 bytes"),
        (json.dumps(BERT | {"hidden_size": float("nan")}).encode(), "hidden_size: got NaN, want a whole number from 1 to "),
    ],
    ids=["empty", "cut", "bytes", "deep", "digits", "list", "null", "large", "nan"],
)
def test_a_file_that_is_no_configuration_is_refused(raw, message, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(raw)
    with pytest.raises(UsageFault) as caught:
        read_config(path)
    assert caught.value.message.startswith(f"{path}: {message}")
    assert caught.value.step


@pytest.mark.parametrize("name", ["nothing.json", "empty", "pipe"])
def test_a_path_without_a_file_is_refused(name, tmp_path):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageFault, match="no such file") as caught:
        read_config(tmp_path / name)
    assert "config.json" in caught.value.step


def test_a_path_that_cannot_be_looked_at_is_told(tmp_path):
    with pytest.raises(EnvironmentFault, match="cannot be read"):
        read_config(tmp_path / ("x" * 300))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([*ENCODERS.values(), *DECODERS.values()]).flatmap(lambda c: st.tuples(st.just(c), st.sampled_from(sorted(c)), JSON)))
def test_any_one_value_gives_a_shape_or_a_fault_of_ours(drawn):
    config, key, value = drawn
    try:
        shape = shape_of(config | {key: value}, "config.json")
    except SmeltError as fault:
        assert fault.exit_code == 2  # noqa: PT017 - either outcome is right
    else:
        assert shape.weights > 0
