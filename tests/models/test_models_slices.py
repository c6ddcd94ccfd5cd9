"""Transformers that were cut: what is cut is gone, what stays answers alike, and a folder brings it back."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig, RobertaConfig

from smelt.errors import BundleFault, UsageFault
from smelt.models.build import load_network
from smelt.models.slices import SlicedNetwork, Widths, can_slice, keep_columns, keep_dims, keep_heads, layers_of, parts_of, widths_of

CONFIGS = {
    "bert": BertConfig(vocab_size=20, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, num_labels=3),
    "roberta": RobertaConfig(vocab_size=20, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, num_labels=3),
    "distilbert": DistilBertConfig(vocab_size=20, dim=24, n_layers=2, n_heads=3, hidden_dim=20, num_labels=3),
}
IDS = torch.tensor([[4, 7, 9, 5, 11], [6, 8, 5, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture(params=CONFIGS)
def network(request):
    torch.manual_seed(0)
    built = SlicedNetwork(AutoModelForSequenceClassification.from_config(CONFIGS[request.param])).eval()
    for parameter in built.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return built


def scores(network):
    with torch.inference_mode():
        return network.eval()(IDS, MASK)


def test_a_head_that_is_cut_is_a_head_that_says_nothing(network):
    parts, layer = parts_of(network), layers_of(network.hugging_face)[1]
    with torch.no_grad():
        layer.get_submodule(parts.output).weight[:, 8:16] = 0
    silent = scores(network)
    keep_heads(network, 1, [2, 0])
    torch.testing.assert_close(scores(network), silent, atol=1e-5, rtol=0)
    assert widths_of(network) == Widths(dim=24, heads=(3, 2), columns=(20, 20))


def test_a_column_that_is_cut_is_a_column_that_says_nothing(network):
    parts, layer = parts_of(network), layers_of(network.hugging_face)[0]
    with torch.no_grad():
        layer.get_submodule(parts.down).weight[:, [3, 17]] = 0
    silent = scores(network)
    keep_columns(network, 0, [column for column in range(20) if column not in (3, 17)])
    torch.testing.assert_close(scores(network), silent, atol=1e-5, rtol=0)
    assert widths_of(network).columns == (18, 20)


def test_the_state_is_narrower_everywhere(network):
    keep_dims(network, range(0, 24, 2))
    assert widths_of(network).dim == 12
    assert scores(network).shape == (2, 3)
    shapes = {size for parameter in network.parameters() for size in parameter.shape}
    assert 12 in shapes
    assert network.embedding.weight.shape == (20, 12)


def test_a_folder_brings_it_back(network, tmp_path):
    keep_heads(network, 0, [1])
    keep_columns(network, 1, range(5))
    keep_dims(network, range(16))
    network.save(tmp_path)
    opened = load_network(tmp_path)
    assert widths_of(opened) == widths_of(network)
    np.testing.assert_array_equal(scores(opened), scores(network))


def test_it_learns(network):
    keep_heads(network, 0, [1])
    network.train()
    network(IDS, MASK).square().sum().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "pooler" not in name)


@pytest.mark.parametrize(
    "change", [{"dim": 48}, {"heads": [9, 1]}, {"columns": [5]}, {"heads": [0, 1]}, {"dim": "16"}, {"columns": [10**9, 1]}]
)
def test_sizes_that_make_no_sense_are_refused(network, tmp_path, change):
    network.save(tmp_path)
    facts = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    facts["sizes"] |= change
    (tmp_path / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleFault):
        load_network(tmp_path)


def test_an_architecture_whose_parts_are_unknown_is_refused(network):
    network.hugging_face.config.model_type = "albert"
    assert not can_slice(network)
    with pytest.raises(UsageFault, match="albert"):
        widths_of(network)
