import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from smelt.errors import UsageFault
from smelt.models.adapters import add_adapters, merge_adapters
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.recipe.train import Lora
from tests.parallel.families import family
from tests.parallel.language import language_model

IDS = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 9, 2, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
SECTION = Lora(kind="lora", rank=2, alpha=4)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "llama", "gpt2"])
def test_adapters_begin_as_nothing_learn_alone_and_are_added_up(kind):
    network = language_model(kind) if kind in ("llama", "gpt2") else family(kind)
    network.eval()
    names, before = set(network.state_dict()), {name: one.clone() for name, one in network.state_dict().items()}
    want = network(IDS, MASK)
    add_adapters(network, SECTION, 0)
    torch.testing.assert_close(network(IDS, MASK), want)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    head = {name for name in learning if ".lora_" not in name}
    assert any(".lora_A." in name for name in learning)
    assert all(("classifier" in name or "pooler" in name) for name in head)
    assert bool(head) == (kind in ("bert", "distilbert"))
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.01)
    for _ in range(3):
        network(IDS, MASK).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    learned = network(IDS, MASK)
    assert (learned - want).abs().max() > 1e-4
    merge_adapters(network)
    torch.testing.assert_close(network(IDS, MASK), learned, atol=1e-4, rtol=1e-4)
    assert set(network.state_dict()) == names
    changed = {name for name, one in network.state_dict().items() if (one != before[name]).any()}
    assert not any("embeddings" in name or "LayerNorm" in name for name in changed)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_the_answers_are_those_of_the_library():
    network = family("bert").eval()
    theirs = copy.deepcopy(network.hugging_face)
    config = LoraConfig(
        r=2, lora_alpha=4, target_modules=["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
    )
    theirs = get_peft_model(theirs, config)
    add_adapters(network, SECTION, 0)
    own = {name: one for name, one in network.hugging_face.named_parameters() if ".lora_" in name}
    with torch.no_grad():
        for name, parameter in theirs.get_base_model().named_parameters():
            if ".lora_" in name:
                own[name].normal_()
                parameter.copy_(own[name])
    torch.testing.assert_close(network(IDS, MASK), theirs(input_ids=IDS, attention_mask=MASK).logits)
    merge_adapters(network)
    merged = theirs.merge_and_unload()
    torch.testing.assert_close(network(IDS, MASK), merged(input_ids=IDS, attention_mask=MASK).logits)


def test_a_model_of_unknown_matrices_is_refused():
    network = CnnNetwork(CnnSizes(vocabulary=5, dim=4, filters=2, kernels=(1,), classes=2, dropout=0.0))
    with pytest.raises(UsageFault, match="matrices of this model are not known"):
        add_adapters(network, SECTION, 0)
