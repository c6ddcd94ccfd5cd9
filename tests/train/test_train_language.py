import math

import numpy as np
import pytest
import torch

from smelt.recipe.train import Augment, Train
from smelt.tasks.language import NOT_ASKED
from smelt.train.flops import count_flops, peak_flops
from smelt.train.language import guessing_loss, judge_guesses, score_documents
from smelt.train.loader import load
from tests.parallel.language import ROW, VOCABULARY, language_model, language_rows


def test_a_batch_holds_whole_documents_numbered_in_their_row():
    rows = language_rows(masked=False)
    assert rows.lengths.max() <= ROW
    assert rows.lengths.sum() == rows.tokens.offsets[-1]
    batch = load(rows, np.arange(len(rows)), Augment(), (0, 0, 0))
    for ids, mask, targets in zip(batch.ids_BS, batch.mask_BS, batch.targets, strict=True):
        count = int((mask > 0).sum())
        assert (mask[count:] == 0).all()
        assert (targets[count:] == NOT_ASKED).all()
        begins = torch.nonzero(torch.diff(mask[:count], prepend=torch.zeros(1)) == 1).flatten()
        assert ids[begins].tolist() == [1] * len(begins)
        ends = [*(begins[1:] - 1).tolist(), count - 1]
        assert ids[ends].tolist() == [2] * len(begins)
        assert targets[ends].tolist() == [NOT_ASKED] * len(begins)
        inner = sorted(set(range(count)) - set(ends))
        assert targets[inner].tolist() == ids[[place + 1 for place in inner]].tolist()


def test_the_same_tokens_are_covered_in_whatever_batch_they_come_and_others_in_another_epoch():
    rows = language_rows(masked=True)
    numbers = np.arange(len(rows))
    whole = rows.read(numbers, Augment(), (4, 1, 0))
    part = rows.read(numbers[5:9], Augment(), (4, 1, 7))
    first, last = whole.arrays.offsets[[5, 9]]
    np.testing.assert_array_equal(whole.arrays.ids[first:last], part.arrays.ids)
    np.testing.assert_array_equal(whole.targets[first:last], part.targets)
    assert (rows.read(numbers, Augment(), (4, 2, 0)).targets != whole.targets).any()
    assert whole.weights.sum() == (whole.targets != NOT_ASKED).sum()


def test_the_loss_is_that_of_the_library_over_the_documents_one_by_one():
    rows, network = language_rows(masked=False), language_model("llama").eval()
    batch = load(rows, np.arange(4), Augment(), (0, 0, 0))
    with torch.no_grad():
        found = float(guessing_loss(network, batch))
        nats, count = 0.0, 0
        for piece in rows.order[: rows.starts[4]]:
            ids = torch.from_numpy(rows.tokens.take(np.array([piece])).ids.astype(np.int64))[None]
            nats += float(network.hugging_face(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
            count += ids.shape[1] - 1
    assert found == pytest.approx(nats / count, rel=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_documents_are_scored_alike_packed_or_not_and_in_whatever_batches(masked):
    rows = language_rows(masked=masked)
    network = language_model("bert" if masked else "llama")
    found = [
        score_documents(network, rows, Train(batch_tokens=tokens), VOCABULARY, precision="fp32") for tokens in (24, 100)
    ]  # fmt: skip
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_array_equal(found[0][1], found[1][1])
    if not masked:
        assert found[0][1].tolist() == (np.diff(rows.tokens.offsets) - 1).tolist()


def test_an_epoch_is_judged_by_its_perplexity():
    rows, network = language_rows(masked=False), language_model("llama")
    nats, tokens = score_documents(network, rows, Train(), VOCABULARY, precision="fp32")
    from smelt.parallel.world import ALONE

    score, figures, words = judge_guesses(rows, Train(), VOCABULARY)(network, "fp32", ALONE)
    assert figures["dev_loss"] == pytest.approx(nats.sum() / tokens.sum())
    assert figures["dev_perplexity"] == pytest.approx(math.exp(figures["dev_loss"]))
    assert score == pytest.approx(1 / figures["dev_perplexity"])
    assert not words


def test_flops_are_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    network = language_model("llama").train()
    counted = count_flops(network)
    ids = torch.randint(0, VOCABULARY, (3, 20))
    with FlopCounterMode(display=False) as counter:
        network(ids, torch.ones_like(ids)).sum().backward()
    # The first layer's input needs no gradient of its own but for the embeddings; rotary positions are small products.
    assert counter.get_total_flops() == pytest.approx(counted.of(60, 3 * 20**2), rel=0.06)
    assert peak_flops(torch.device("cpu"), "fp32") > 1e8
