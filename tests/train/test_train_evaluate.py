import numpy as np
import torch

from smelt.recipe.train import Train
from smelt.train.evaluate import score_rows


def test_scores_come_in_the_order_of_the_rows_and_equal_one_document_at_a_time(make_cnn, make_rows):
    network, rows = make_cnn(), make_rows(23)
    scores = score_rows(network, rows, Train(batch_examples=3), classes=3, precision="fp32")
    network.eval()
    with torch.inference_mode():
        documents = [torch.from_numpy(rows.take([row]).ids).long()[None] for row in range(23)]
        want = np.concatenate([network(ids, torch.ones_like(ids)).numpy() for ids in documents])
    np.testing.assert_allclose(scores, want, atol=1e-5)


def test_scoring_switches_dropout_off_and_draws_no_random_number(make_cnn, make_rows):
    network, rows = make_cnn(dropout=0.9), make_rows(7)
    network.train()
    state = torch.get_rng_state()
    first, second = (score_rows(network, rows, Train(), classes=3, precision="fp32") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_bf16_scores_are_near_those_in_fp32_and_are_not_the_same(make_cnn, make_rows):
    fp32, bf16 = (score_rows(make_cnn(), make_rows(7), Train(), classes=3, precision=precision) for precision in ("fp32", "bf16"))
    np.testing.assert_allclose(bf16, fp32, atol=0.05)
    assert (bf16 != fp32).any()
    assert bf16.dtype == np.float32
