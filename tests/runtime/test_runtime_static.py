import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from smelt.errors import BundleFault
from smelt.export.formats import write_graph
from smelt.models.session import LiveSession
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.runtime.static import GRAPH, StaticSession
from smelt.tasks.tokens import ragged


def session_of(tensors, folder):
    save_file(tensors, folder / GRAPH)
    return StaticSession(folder, threads=1)


@pytest.mark.parametrize(
    "documents",
    [[[4]], [[1, 2, 6], [9], [5, 5, 0, 3]], [[], [7, 1], []], [[2, 3], []], [[]], []],
    ids=["one token", "ragged", "empty at both ends", "empty at the end", "only empty", "none"],
)
def test_scores_are_those_of_the_live_network(static_network, sealed_bundle, documents):
    live = LiveSession(static_network, threads=1).scores(ragged(documents))
    np.testing.assert_allclose(StaticSession(sealed_bundle, threads=1).scores(ragged(documents)), live, atol=1e-5)


def test_scores_of_a_long_document_are_those_of_the_live_network(static_network, sealed_bundle):
    document = ragged([np.random.default_rng(0).integers(0, 10, 5000).tolist(), [3]])
    live = LiveSession(static_network, threads=1).scores(document)
    np.testing.assert_allclose(StaticSession(sealed_bundle, threads=1).scores(document), live, atol=1e-5)


def test_sound_matrices_are_opened(make_tensors, tmp_path):
    assert session_of(make_tensors, tmp_path).scores(ragged([[1, 2], [3]])).shape == (2, 3)


@pytest.mark.parametrize("name", ["embedding", "weight", "norm_scale", "norm_shift", "inner", "inner_bias", "outer", "outer_bias"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensor: None,
        lambda tensor: tensor.astype(np.float64),
        lambda tensor: tensor.astype(np.float16),
        lambda tensor: tensor * np.float32("nan"),
        lambda tensor: tensor / np.float32(0),
        lambda tensor: tensor[None],
        lambda tensor: tensor[:0],
        lambda tensor: np.concatenate([tensor, tensor]),
    ],
    ids=["missing", "float64", "float16", "nan", "infinity", "another dim", "empty", "another size"],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_matrix_that_cannot_be_used_is_refused(make_tensors, tmp_path, name, spoil):
    spoiled = spoil(make_tensors.pop(name))
    with pytest.raises(BundleFault, match="tensor"):
        session_of(make_tensors | ({} if spoiled is None else {name: spoiled}), tmp_path)


@pytest.mark.parametrize("size", [0, 7, 60, -1])
def test_a_cut_file_is_refused(make_tensors, tmp_path, size):
    save_file(make_tensors, tmp_path / GRAPH)
    (tmp_path / GRAPH).write_bytes((tmp_path / GRAPH).read_bytes()[:size])
    with pytest.raises(BundleFault):
        StaticSession(tmp_path, threads=1)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleFault):
        StaticSession(tmp_path, threads=1)


@pytest.fixture
def paired(tmp_path, monkeypatch):
    """A live network with pairs, and the folder it was exported to."""
    torch.manual_seed(0)
    network = StaticNetwork(StaticSizes(vocabulary=10, dim=6, hidden=5, classes=3, pairs=4)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    network.teach_pairs(torch.tensor([[1, 2], [3, 3], [5, 0], [9, 9]]))
    torch.nn.init.normal_(network.pairs.weight)
    write_graph(network, "numpy-fp32", [], tmp_path)
    return network, tmp_path


@pytest.mark.parametrize(
    "documents",
    [[[1, 2]], [[1, 2, 3, 3, 3], [9], [5, 0, 3]], [[], [2, 1, 2], []], [[1], [2]], [[3, 3, 3, 3], []], [[]], []],
    ids=["a pair", "several", "empty at both ends", "not across documents", "one pair often", "only empty", "none"],
)
def test_scores_with_pairs_are_those_of_the_live_network(paired, documents):
    network, folder = paired
    live = LiveSession(network, threads=1).scores(ragged(documents))
    np.testing.assert_allclose(StaticSession(folder, threads=1).scores(ragged(documents)), live, atol=1e-5)


@pytest.mark.parametrize("pairs", [0, 4])
@pytest.mark.parametrize(
    "documents", [[[1]], [[1, 2, 3, 4, 5, 6, 7, 8], [], [3, 3]], [[], [2, 1, 2]]], ids=["one token", "several", "empty"]
)
def test_scores_with_places_are_those_of_the_live_network(tmp_path, pairs, documents):
    torch.manual_seed(0)
    network = StaticNetwork(StaticSizes(vocabulary=10, dim=6, hidden=5, classes=3, positions=3, pairs=pairs)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    if pairs:
        network.teach_pairs(torch.tensor([[1, 2], [3, 3], [5, 0], [9, 9]]))
    write_graph(network, "numpy-fp32", [], tmp_path)
    live = LiveSession(network, threads=1).scores(ragged(documents))
    np.testing.assert_allclose(StaticSession(tmp_path, threads=1).scores(ragged(documents)), live, atol=1e-5)


@pytest.mark.parametrize("first", [[1, 12], [8, 8], [1, 2.5], [-1, 2]])
def test_pairs_that_are_none_are_refused(paired, first):
    _, folder = paired
    tensors = load_file(folder / GRAPH) | {"pair_tokens": np.array([first, [3, 3], [5, 0], [9, 9]], np.float32)}
    save_file(tensors, folder / GRAPH)
    with pytest.raises(BundleFault, match="pair_tokens"):
        StaticSession(folder, threads=1)
