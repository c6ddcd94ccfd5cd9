"""One thread, and a transformer of four layers."""

import pytest
import torch

from smelt.models.transformer import TransformerSizes, from_sizes


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def transformer():
    torch.manual_seed(2)
    sizes = TransformerSizes(vocabulary=13, layers=4, dim=8, heads=2, feed_forward=12, dropout=0.1, max_tokens=16, classes=3)
    network = from_sizes(sizes).eval()
    for name, parameter in network.named_parameters():
        if not name.endswith("LayerNorm.weight"):
            torch.nn.init.normal_(parameter, std=0.5)  # BERT's own start is so small that every layer does the same
    return network
