"""What every session keeps, whatever runs it: the live module and each format that can be exported."""

from typing import get_args

import numpy as np
import pytest
import torch

from smelt.export.formats import Format, write_graph
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.linear import LabeledTexts, fit_linear
from smelt.models.session import LiveSession
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.runtime.build import open_session
from smelt.runtime.manifest import Manifest, Runtime, read_manifest, seal
from smelt.tasks.padding import take
from smelt.tasks.tokens import ragged

DOCUMENTS = ([2, 5, 3], [2, 9, 4, 4, 7, 10, 3], [6], [], [2, 8, 8, 3])
ALONE = {"fp32": 1e-5, "bf16": 0.05, "int8": 0.25}
"""How far a document's scores may move with the company it is in. Dynamic int8 scales a batch as a whole."""
LIVE = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.5}
"""How far an exported score may be from the live module's."""
KINDS = ("torch-fp32", "torch-bf16", "numpy-linear", *get_args(Format))


def static():
    return StaticNetwork(StaticSizes(vocabulary=11, dim=6, hidden=5, classes=3))


def cnn():
    return CnnNetwork(CnnSizes(vocabulary=11, dim=6, filters=4, kernels=(2, 3), classes=3))


def network_of(kind):
    torch.manual_seed(11)
    return (static if kind.startswith("numpy") else cnn)().eval()


def sealed(folder, **facts):
    seal(folder, Manifest(name="tiny", text_column="text", isa="", **facts))
    return read_manifest(folder)


def open_linear(folder):
    texts = ["rate cut", "rate rise rise", "bond oil", "euro bank"] * 2
    fit_linear(
        LabeledTexts(texts=texts, labels=["a", "b", "c", "c"] * 2, ids=[""] * 8, classes=("a", "b", "c")), features=11, folder=folder
    )
    return open_session(folder, sealed(folder, family="linear", runtime="numpy", precision="fp32"), 1)


def open_kind(kind, folder):
    runtime, precision = kind.split("-")
    if kind == "numpy-linear":
        return open_linear(folder)
    if runtime == "torch":
        return LiveSession(network_of(kind), threads=1, precision=precision)
    write_graph(network_of(kind), kind, [ragged([document]) for document in DOCUMENTS if document], folder)
    family = "static" if runtime == "numpy" else "network"
    return open_session(folder, sealed(folder, family=family, runtime=runtime, precision=precision), 1)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def session(kind, tmp_path_factory):
    return open_kind(kind, tmp_path_factory.mktemp("graph"))


@pytest.fixture
def batch():
    return ragged(DOCUMENTS)


def test_every_runtime_is_held_to_the_contract():
    assert {kind.split("-")[0] for kind in KINDS} == {"torch", *get_args(Runtime)}


def test_it_says_what_it_is(session, kind):
    runtime, precision = kind.replace("linear", "fp32").split("-")
    assert (session.runtime, session.threads) == (runtime, 1)
    assert session.precision in ((precision, "fp32") if kind == "openvino-bf16" else (precision,))


def test_scores_are_one_float32_row_per_document(session, batch):
    scores = session.scores(batch)
    assert (scores.shape, scores.dtype) == ((5, 3), np.float32)


def test_scores_are_finite_even_for_an_empty_document(session, batch):
    assert np.isfinite(session.scores(batch)).all()


def test_no_documents_give_no_rows_of_as_many_classes(session):
    scores = session.scores(ragged([]))
    assert (scores.shape, scores.dtype) == ((0, 3), np.float32)


def test_a_document_alone_is_scored_as_in_a_batch(session, batch):
    together = session.scores(batch)
    alone = np.concatenate([session.scores(take(batch, [row])) for row in range(len(batch))])
    np.testing.assert_allclose(alone, together, atol=ALONE[session.precision])


def test_scores_follow_their_documents_into_another_order(session, batch):
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(session.scores(take(batch, order)), session.scores(batch)[order], atol=1e-5)


def test_the_same_documents_get_the_same_scores(session, batch):
    np.testing.assert_array_equal(session.scores(batch), session.scores(batch))


def test_the_arrays_are_left_as_they_are(session, batch):
    session.scores(batch)
    assert (batch.ids.tolist(), batch.offsets.tolist()) == (ragged(DOCUMENTS).ids.tolist(), ragged(DOCUMENTS).offsets.tolist())


def test_scores_of_an_earlier_batch_are_not_overwritten(session, batch):
    first = session.scores(batch)
    kept = first.copy()
    session.scores(take(batch, [4, 4, 1, 0, 2]))
    np.testing.assert_array_equal(first, kept)


def test_documents_get_different_scores(session, batch):
    assert len(np.unique(session.scores(batch).round(3), axis=0)) > 2


def test_an_export_scores_as_the_live_module(session, kind, batch):
    if kind == "numpy-linear":
        pytest.skip("has no live module; held against scikit-learn in tests/models")
    live = LiveSession(network_of(kind), threads=1).scores(batch)
    np.testing.assert_allclose(session.scores(batch), live, atol=LIVE[session.precision])
