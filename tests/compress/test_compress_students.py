import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from smelt.compress.students import auto_students, build_student, evenly, frequent_pairs, learning_rate_of, names_of, steps_of
from smelt.errors import UsageFault
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.rnn import RnnNetwork
from smelt.models.static import StaticNetwork
from smelt.models.transformer import TransformerSizes, from_sizes, layers_of
from smelt.recipe.compress import Cnn, Depth, Rnn, Static
from smelt.tasks.tokens import ragged
from smelt.train.rows import Rows

SMALL = {
    "static": (Static(hidden=5), StaticNetwork),
    "cnn": (Cnn(filters=3, kernels=(2, 4)), CnnNetwork),
    "gru": (Rnn(hidden=6), RnnNetwork),
    "lstm": (Rnn(cell="lstm", hidden=6), RnnNetwork),
}
every_small = pytest.mark.parametrize(("section", "family"), SMALL.values(), ids=SMALL)


@pytest.fixture
def cnn():
    torch.manual_seed(4)
    return CnnNetwork(CnnSizes(vocabulary=11, dim=7, filters=4, kernels=(2, 3), classes=3)).eval()


@pytest.fixture(params=["cnn", "transformer"])
def reference(request):
    return request.getfixturevalue(request.param)


def weights(module):
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def score(network):
    network.eval()
    ids = torch.tensor([[1, 4, 8, 2], [1, 6, 2, 0]])
    with torch.inference_mode():
        return network(ids, (ids > 0).long())


@pytest.mark.parametrize(
    ("kept", "depth", "want"),
    [(1, 6, [5]), (2, 6, [0, 5]), (3, 6, [0, 2, 5]), (4, 12, [0, 4, 7, 11]), (6, 6, [0, 1, 2, 3, 4, 5]), (1, 1, [0])],
)
def test_layers_are_spread_as_worked_by_hand(kept, depth, want):
    assert list(evenly(kept, depth)) == want


@pytest.mark.parametrize(("dim", "rate"), [(512, 2e-4), (528, 5e-5)])
def test_a_copy_of_a_wide_reference_learns_as_slowly_as_it(dim, rate):
    sizes = TransformerSizes(vocabulary=5, layers=1, dim=dim, heads=2, feed_forward=4, dropout=0.0, max_tokens=8, classes=2)
    assert learning_rate_of(from_sizes(sizes)) == rate


@given(st.data())
def test_spread_layers_are_different_rising_and_end_with_the_last(data):
    depth = data.draw(st.integers(1, 60))
    kept = data.draw(st.integers(1, depth))
    layers = list(evenly(kept, depth))
    assert (len(layers), layers[-1]) == (kept, depth - 1)
    assert layers == sorted(set(layers))
    assert kept == 1 or layers[0] == 0


@every_small
def test_a_small_student_starts_from_the_word_embeddings_of_the_reference(reference, section, family):
    student = build_student(section, reference, classes=3, seed=0)
    assert isinstance(student, family)
    assert torch.equal(student.embedding.weight, reference.embedding.weight)


@every_small
def test_a_small_student_has_embeddings_of_its_own(reference, section, family):
    before = weights(reference)
    student = build_student(section, reference, classes=3, seed=0)
    for parameter in student.parameters():
        nn.init.constant_(parameter, 0.5)
    assert equal(weights(reference), before)


@every_small
def test_a_small_student_scores_every_class(reference, section, family):
    assert score(build_student(section, reference, classes=5, seed=0)).shape == (2, 5)


@every_small
def test_the_same_seed_builds_the_same_student_and_another_another(reference, section, family):
    first, second, other = (weights(build_student(section, reference, classes=3, seed=seed)) for seed in (6, 6, 7))
    assert equal(first, second)
    assert not equal(first, other)


def test_sizes_are_those_of_the_section(cnn):
    static, narrow, lstm = (build_student(section, cnn, 3, 0) for section in (Static(hidden=5), SMALL["cnn"][0], SMALL["lstm"][0]))
    assert (static.sizes.hidden, static.sizes.dim) == (5, 7)
    assert (narrow.sizes.filters, tuple(narrow.sizes.kernels)) == (3, (2, 4))
    assert (lstm.sizes.cell, lstm.sizes.hidden) == ("lstm", 6)


@pytest.mark.parametrize(("layers", "kept"), [(1, [3]), (2, [0, 3]), (3, [0, 2, 3]), (4, [0, 1, 2, 3])])
def test_a_shallower_student_has_the_layers_that_are_evenly_spread(transformer, layers, kept):
    student = build_student(Depth(layers=layers), transformer, classes=3, seed=0)
    theirs = layers_of(transformer.hugging_face)
    assert student.depth == layers
    assert all(equal(weights(mine), weights(theirs[number])) for mine, number in zip(layers_of(student.hugging_face), kept, strict=True))


def test_a_shallower_student_keeps_embeddings_and_head_and_does_not_train_the_embeddings(transformer):
    student = build_student(Depth(layers=2), transformer, classes=3, seed=0)
    own, theirs = weights(student), weights(transformer)
    assert all(torch.equal(own[name], theirs[name]) for name in own if ".layer." not in name)
    assert [name for name, parameter in student.named_parameters() if not parameter.requires_grad] == [
        "hugging_face.bert.embeddings.word_embeddings.weight"
    ]


def test_a_student_of_all_layers_scores_as_the_reference(transformer):
    torch.testing.assert_close(score(build_student(Depth(layers=4), transformer, classes=3, seed=0)), score(transformer))


def test_a_shallower_student_leaves_the_reference_as_it_is(transformer):
    before, trained = weights(transformer), [parameter.requires_grad for parameter in transformer.parameters()]
    student = build_student(Depth(layers=2), transformer, classes=3, seed=0)
    for parameter in student.parameters():
        nn.init.constant_(parameter, 0.5)
    assert equal(weights(transformer), before)
    assert [parameter.requires_grad for parameter in transformer.parameters()] == trained
    assert transformer.depth == transformer.hugging_face.config.num_hidden_layers == 4


def test_more_layers_than_the_reference_has_are_refused(transformer):
    with pytest.raises(UsageFault, match="depth 5 wants a reference of more layers; this one has 4"):
        build_student(Depth(layers=5), transformer, classes=3, seed=0)


def test_layers_of_a_reference_without_any_are_refused(cnn):
    with pytest.raises(UsageFault, match="this one has 0"):
        build_student(Depth(layers=1), cnn, classes=3, seed=0)


def test_students_are_named_by_what_they_are():
    sections = [Static(), Depth(layers=3), Cnn(), Rnn(), Rnn(cell="lstm")]
    assert names_of(sections) == ["static", "depth3", "cnn", "gru", "lstm"]


def test_students_of_one_kind_have_names_of_their_own():
    assert names_of([Cnn(), Static(), Cnn(filters=9), Cnn(filters=5)]) == ["cnn", "static", "cnn-2", "cnn-3"]


@pytest.mark.parametrize(
    ("section", "want"),
    [
        (Depth(layers=3), "depth: 3 of 4 layers"),
        (Static(hidden=9), "static: embeddings of the reference, hidden 9"),
        (Cnn(filters=9, kernels=(2, 5)), "cnn: 9 filters of widths 2, 5"),
        (Rnn(cell="lstm", hidden=9), "lstm: hidden 9, both directions"),
    ],
)
def test_steps_say_what_was_done(transformer, section, want):
    assert steps_of(section, transformer) == [want, "distill: logits"]


def test_auto_halves_a_transformer_and_has_nothing_to_halve_in_a_cnn(transformer, cnn):
    assert [section.kind for section in auto_students(transformer)] == ["linear", "static", "depth", "depth", "cnn"]
    assert [section.layers for section in auto_students(transformer)[2:4]] == [2, 1]
    assert [section.kind for section in auto_students(cnn)] == ["linear", "static", "cnn"]


def test_the_most_frequent_pairs_are_those_of_neighbors_in_one_document():
    rows = Rows(ragged([[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2]]), np.zeros(4, np.int64))
    # (1, 2) three times, (2, 3) twice, (3, 1) twice; (3, 2), across documents, is none.
    assert frequent_pairs(rows, 10).tolist() == [[1, 2], [2, 3], [3, 1]]
    assert frequent_pairs(rows, 1).tolist() == [[1, 2]]
