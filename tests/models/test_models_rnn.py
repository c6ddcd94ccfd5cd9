import itertools

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.tasks.padding import pad

CELLS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def torch_twin(network):
    """torch's own recurrent stack with the same weights."""
    sizes = network.sizes
    twin = CELLS[sizes.cell](sizes.dim, sizes.hidden, num_layers=sizes.layers, bidirectional=sizes.bidirectional, batch_first=True)
    state = {}
    for cells, suffix in ((network.forward_cells, ""), (network.backward_cells, "_reverse")):
        for layer, cell in enumerate(cells):
            state |= {name.replace("_l0", f"_l{layer}{suffix}"): tensor for name, tensor in cell.state_dict().items()}
    twin.load_state_dict(state)
    return twin


@pytest.mark.parametrize(("cell", "bidirectional", "layers"), list(itertools.product(CELLS, (False, True), (1, 2))))
def test_scores_are_those_of_a_packed_sequence(cell, bidirectional, layers, batch):
    torch.manual_seed(5)
    sizes = RnnSizes(vocabulary=11, dim=4, cell=cell, hidden=3, classes=2, layers=layers, bidirectional=bidirectional)
    network = RnnNetwork(sizes).eval()
    ids, mask = map(torch.from_numpy, pad(batch))
    lengths = mask.sum(dim=1)
    with torch.inference_mode():
        packed = pack_padded_sequence(network.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(torch_twin(network)(packed)[0], batch_first=True)
        want = network.outer(states.sum(dim=1) / lengths[:, None])
        np.testing.assert_allclose(network(ids, mask).numpy(), want.numpy(), atol=1e-6)
