import numpy as np
import torch

from smelt.models.build import load_network
from smelt.models.session import LiveSession
from smelt.tasks.padding import pad
from smelt.tasks.tokens import ragged


def scores_of(network, ids, mask):
    with torch.inference_mode():
        return network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


def test_padding_never_changes_a_score(network, documents, batch, score_alone):
    padded = scores_of(network, *pad(batch))
    np.testing.assert_allclose(padded, [score_alone(network, document) for document in documents], atol=1e-5)


def test_what_stands_in_the_padding_never_changes_a_score(network, batch):
    ids, mask = pad(batch)
    noisy = np.where(mask == 1, ids, 9)
    np.testing.assert_allclose(scores_of(network, noisy, mask), scores_of(network, ids, mask), atol=1e-5)


def test_more_padding_than_needed_never_changes_a_score(network, batch):
    ids, mask = pad(batch)
    wide = [np.pad(array, ((0, 0), (0, 4))) for array in (ids, mask)]
    np.testing.assert_allclose(scores_of(network, *wide), scores_of(network, ids, mask), atol=1e-5)


def test_documents_get_different_scores(network, batch):
    assert len({tuple(row.round(4)) for row in scores_of(network, *pad(batch))}) == len(batch)


def test_an_empty_document_gets_finite_scores(network):
    assert np.isfinite(LiveSession(network, threads=1).scores(ragged([[2, 4, 3], []]))).all()


def test_a_saved_network_is_the_same_network(network, batch, tmp_path, make_tokenizer):
    network.save(tmp_path)
    (tmp_path / "tokenizer.json").write_text(make_tokenizer().to_str(), encoding="utf-8")
    opened = load_network(tmp_path).eval()
    np.testing.assert_array_equal(scores_of(opened, *pad(batch)), scores_of(network, *pad(batch)))


def test_a_saved_network_is_safetensors_and_json_only(network, tmp_path):
    network.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}


def test_a_live_session_scores_as_its_module(network, documents, batch, score_alone):
    session = LiveSession(network, threads=1)
    np.testing.assert_allclose(session.scores(batch), [score_alone(network, document) for document in documents], atol=1e-5)


def test_a_live_session_switches_dropout_off(network, batch):
    session = LiveSession(network.train(), threads=1)
    np.testing.assert_array_equal(session.scores(batch), session.scores(batch))
