import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from smelt.compress.distill import attention_distance, distill_loss, imitation_loss, mixed, soft_cross_entropy, states_distance
from smelt.compress.transfer import TransferSet
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.recipe.compress import Distill
from smelt.train.loader import Batch

GENERATOR = np.random.default_rng(8)
# Seven rows, five classes; batches take three of them.
TEACHER = GENERATOR.normal(size=(7, 5)).astype(np.float32) * 3
STUDENT = GENERATOR.normal(size=(3, 5)).astype(np.float32) * 2


def kl_by_scipy(student, teacher, temperature):
    """Hinton et al. 2015, section 2: both softened, the divergence scaled by the temperature squared."""
    theirs, own = softmax(teacher.astype(float) / temperature, axis=1), softmax(student.astype(float) / temperature, axis=1)
    return temperature**2 * rel_entr(theirs, own).sum(axis=1).mean()


def cross_entropy_by_numpy(scores, labels):
    return -np.log(softmax(scores.astype(float), axis=1)[np.arange(len(labels)), labels]).mean()


@pytest.fixture
def cnn():
    torch.manual_seed(1)
    return CnnNetwork(CnnSizes(vocabulary=13, dim=4, filters=3, kernels=(2,), classes=5)).eval()


@pytest.fixture
def batch():
    ids = torch.tensor([[1, 5, 7, 2], [1, 9, 2, 0], [1, 2, 0, 0]])
    return Batch(ids, (ids > 0).long(), torch.tensor([2, 0, 1]), np.array([6, 1, 3]))


def taught(scores, labeled=None):
    """A transfer set; the loss looks at its scores only, and at how many rows have a label."""
    return TransferSet(None, scores, len(scores) if labeled is None else labeled)


def scores_of(network, batch):
    with torch.no_grad():
        return network(batch.ids_BS, batch.mask_BS).numpy()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_the_soft_loss_is_the_divergence_times_the_temperature_squared(temperature):
    found = soft_cross_entropy(torch.from_numpy(STUDENT), torch.from_numpy(TEACHER[:3]), temperature)
    assert found.item() == pytest.approx(kl_by_scipy(STUDENT, TEACHER[:3], temperature), rel=1e-5)


def test_the_soft_loss_is_0_where_the_student_answers_as_the_teacher():
    assert soft_cross_entropy(torch.from_numpy(STUDENT), torch.from_numpy(STUDENT), 2.0).item() == pytest.approx(0, abs=1e-6)


def test_a_constant_added_to_the_scores_changes_no_soft_loss():
    first, second = (soft_cross_entropy(torch.from_numpy(STUDENT + shift), torch.from_numpy(TEACHER[:3]), 2.0) for shift in (0, 5))
    assert second.item() == pytest.approx(first.item(), rel=1e-4)


def test_a_row_that_the_reference_did_not_answer_counts_by_its_label_alone(cnn, batch):
    some = TEACHER.copy()
    some[3] = np.nan
    loss = distill_loss(taught(some), Distill(temperature=3.0, weight=0.6), cnn)(cnn, batch)
    scores = scores_of(cnn, batch)
    want = 0.4 * kl_by_scipy(scores[:2], TEACHER[[6, 1]], 3.0) + 0.6 * cross_entropy_by_numpy(scores, [2, 0, 1])
    assert loss.item() == pytest.approx(want, rel=1e-5)
    none = distill_loss(taught(np.full_like(TEACHER, np.nan)), Distill(temperature=3.0, weight=0.6), cnn)(cnn, batch)
    assert none.item() == pytest.approx(cross_entropy_by_numpy(scores, [2, 0, 1]), rel=1e-5)


def test_the_loss_mixes_the_answers_of_its_rows_with_the_labels(cnn, batch):
    loss = distill_loss(taught(TEACHER), Distill(temperature=3.0, weight=0.7), cnn)(cnn, batch)
    scores = scores_of(cnn, batch)
    want = 0.7 * kl_by_scipy(scores, TEACHER[[6, 1, 3]], 3.0) + 0.3 * cross_entropy_by_numpy(scores, [2, 0, 1])
    assert loss.item() == pytest.approx(want, rel=1e-5)


def test_a_row_without_a_label_counts_in_the_soft_part_alone(cnn, batch):
    loss = distill_loss(taught(TEACHER, labeled=4), Distill(temperature=3.0, weight=0.7), cnn)(cnn, batch)
    scores = scores_of(cnn, batch)
    want = 0.7 * kl_by_scipy(scores, TEACHER[[6, 1, 3]], 3.0) + 0.3 * cross_entropy_by_numpy(scores[1:], [0, 1])
    assert loss.item() == pytest.approx(want, rel=1e-5)


def test_a_batch_without_any_label_has_the_soft_part_alone(cnn, batch):
    loss = distill_loss(taught(TEACHER, labeled=0), Distill(temperature=3.0, weight=0.7), cnn)(cnn, batch)
    assert loss.item() == pytest.approx(0.7 * kl_by_scipy(scores_of(cnn, batch), TEACHER[[6, 1, 3]], 3.0), rel=1e-5)


def test_given_answers_and_labels_are_mixed_and_a_missing_answer_leaves_the_label(cnn, batch):
    answers = np.array([9, 4, 9, 1, 9, 9, -1])  # of rows 6, 1 and 3: none, class 4, class 1
    scores = scores_of(cnn, batch)
    each = [cross_entropy_by_numpy(scores[[row]], [label]) for row, label in ((0, 2), (1, 0), (2, 1))]
    given = [each[0], cross_entropy_by_numpy(scores[[1]], [4]), cross_entropy_by_numpy(scores[[2]], [1])]
    assert imitation_loss(answers, 0.7)(cnn, batch).item() == pytest.approx(0.7 * np.mean(given) + 0.3 * np.mean(each), rel=1e-5)


def test_states_count_for_nothing_where_there_are_none(cnn, batch):
    without, with_states = (distill_loss(taught(TEACHER), Distill(hidden_weight=weight), cnn)(cnn, batch).item() for weight in (0.0, 9.0))
    assert with_states == without


def test_states_of_a_shallower_transformer_count_with_their_weight(transformer, batch):
    student = transformer.with_layers([0, 3]).eval()
    teacher = TEACHER[:, :3].copy()
    losses = [distill_loss(taught(teacher), Distill(hidden_weight=weight), transformer)(student, batch).item() for weight in (0.0, 2.5)]
    states = [network.with_states(batch.ids_BS, batch.mask_BS).states for network in (student, transformer)]
    assert losses[1] - losses[0] == pytest.approx(2.5 * states_distance(*states, batch.mask_BS).item(), rel=1e-4)


def test_the_reference_gets_no_gradient(transformer, batch):
    student = transformer.with_layers([0, 3])
    distill_loss(taught(TEACHER[:, :3].copy()), Distill(hidden_weight=1.0), transformer)(student, batch).backward()
    assert all(parameter.grad is None for parameter in transformer.parameters())
    assert student.hugging_face.classifier.weight.grad.abs().sum() > 0


def test_states_distance_is_that_of_a_loop_over_layers_and_tokens():
    # The student has two layers and the reference five: place 0 is the embeddings, then 1 meets round(5 / 2) and 2 meets 5.
    own, theirs = ([torch.from_numpy(GENERATOR.normal(size=(2, 4, 3))) for _ in range(count)] for count in (3, 6))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    distances = []
    for mine, other in ((own[1], theirs[2]), (own[2], theirs[5])):
        tokens = []
        for row, length in ((0, 4), (1, 2)):
            for place in range(length):
                left, right = mine[row, place].float().numpy(), other[row, place].float().numpy()
                tokens.append(((left / np.linalg.norm(left) - right / np.linalg.norm(right)) ** 2).sum())
        distances.append(np.mean(tokens))
    assert states_distance(own, theirs, mask).item() == pytest.approx(np.mean(distances), rel=1e-5)


def test_states_of_padding_may_be_anything():
    own, theirs = ([torch.from_numpy(GENERATOR.normal(size=(1, 3, 2))) for _ in range(2)] for _ in range(2))
    mask = torch.tensor([[1, 1, 0]])
    want = states_distance(own, theirs, mask)
    own[1][0, 2] = torch.nan
    assert torch.equal(states_distance(own, theirs, mask), want)


def test_equal_states_are_at_no_distance_whatever_their_length():
    states = [torch.from_numpy(GENERATOR.normal(size=(2, 3, 4))) for _ in range(3)]
    stretched = [4.5 * state for state in states]
    assert states_distance(states, stretched, torch.ones(2, 3)).item() == pytest.approx(0, abs=1e-9)


def test_attention_counts_with_its_weight_and_the_reference_attends_alike(transformer, batch):
    student = transformer.with_layers([0, 3]).eval()
    teacher = TEACHER[:, :3].copy()
    losses = [distill_loss(taught(teacher), Distill(attention_weight=weight), transformer)(student, batch).item() for weight in (0.0, 2.5)]
    own, theirs = (network.with_states(batch.ids_BS, batch.mask_BS, attention=True) for network in (student, transformer))
    want = attention_distance(own.attention, theirs.attention, batch.mask_BS).item()
    assert losses[1] - losses[0] == pytest.approx(2.5 * want, rel=1e-3)
    assert attention_distance(theirs.attention, theirs.attention, batch.mask_BS).item() == pytest.approx(0, abs=1e-6)


def test_mixtures_are_answered_by_the_reference(transformer, batch):
    student = transformer.with_layers([0, 3]).eval()
    teacher = TEACHER[:, :3].copy()
    torch.manual_seed(0)
    whole = distill_loss(taught(teacher), Distill(mixup=1.0), transformer)
    assert whole(transformer, batch).item() == pytest.approx(0, abs=1e-5)  # who answers as the reference loses nothing, labels aside
    value = whole(student, batch)
    value.backward()
    assert value.item() > 0


def test_a_mixture_of_all_of_one_document_is_that_document(cnn, batch):
    order = torch.randperm(len(batch.targets))
    with torch.no_grad(), mixed(cnn, order, 1.0):
        alone = cnn(batch.ids_BS, batch.mask_BS)
    with torch.no_grad():
        torch.testing.assert_close(alone, cnn(batch.ids_BS, batch.mask_BS))
