"""Which rows go where."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.data.splits import choose, named_splits, quotas
from smelt.errors import DataFault
from smelt.recipe.data import Splits


def pick(parts, splits):
    """`parts` are lists of (text, label) numbers for train, dev and confirm."""
    roles = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part) for part in parts])
    rows = np.array([row for part in parts for row in part], np.int64).reshape(-1, 2)
    return choose(roles, rows[:, 0], rows[:, 1].astype(np.int32), splits)


def unlike(count, labels):
    return [(number, number % labels) for number in range(count)]


NAMED = Splits(dev="dev", confirm="test")


def test_shares_of_train_are_carved_and_nothing_is_lost():
    chosen = pick([unlike(50, 3)], Splits(dev=0.1, confirm=0.2))
    assert {role: len(rows) for role, rows in chosen.rows.items()} == {"train": 35, "dev": 5, "confirm": 10}
    assert sorted(np.concatenate(list(chosen.rows.values())).tolist()) == list(range(50))
    assert (chosen.train_dropped, chosen.dev_dropped) == (0, 0)


def test_carving_keeps_the_shares_of_the_labels():
    rows = [(number, int(number >= 60)) for number in range(90)]
    chosen = pick([rows], Splits(dev=0.1, confirm=0.2))
    assert Counter(int(row >= 60) for row in chosen.rows["confirm"]) == {0: 12, 1: 6}
    assert Counter(int(row >= 60) for row in chosen.rows["dev"]) == {0: 6, 1: 3}


def test_equal_seeds_carve_equally_and_other_seeds_do_not():
    first, again, other = (pick([unlike(40, 3)], Splits(seed=seed)).rows["confirm"].tolist() for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_the_carving_is_the_same_on_every_platform():
    # From a plain reading of PCG64's raw output: sort each label's rows by it, confirm takes the first of each.
    keys = np.random.PCG64(7).random_raw(12)
    want = sorted(row for label in range(2) for row in sorted(range(label, 12, 2), key=lambda row: keys[row])[:2])
    assert pick([unlike(12, 2)], Splits(dev=0.1, confirm=1 / 3, seed=7)).rows["confirm"].tolist() == want


def test_another_dev_share_leaves_confirm_as_it_is():
    small, large = (pick([unlike(60, 3)], Splits(dev=dev)).rows["confirm"].tolist() for dev in (0.1, 0.4))
    assert small == large


def test_the_last_row_of_a_label_stays_in_train():
    chosen = pick([[*unlike(20, 2), (20, 2), (21, 3), (22, 3)]], Splits(dev=0.3, confirm=0.5))
    assert {20} < set(chosen.rows["train"].tolist())
    assert {21, 22} & set(chosen.rows["train"].tolist())


def test_texts_of_confirm_are_dropped_from_train_and_dev():
    chosen = pick([[(1, 0), (2, 0), (3, 1)], [(2, 0), (4, 1)], [(3, 1), (4, 0), (4, 0)]], NAMED)
    assert {role: rows.tolist() for role, rows in chosen.rows.items()} == {"train": [0], "dev": [3], "confirm": [5, 6, 7]}
    assert (chosen.train_dropped, chosen.dev_dropped) == (2, 1)


def test_repeats_inside_train_are_dropped_and_contradictions_are_kept():
    chosen = pick([[(1, 0), (1, 0), (1, 1), (2, 1), (1, 0)], [(8, 0)], [(9, 1)]], NAMED)
    assert chosen.rows["train"].tolist() == [0, 2, 3]
    assert (chosen.train_repeats, chosen.conflicting) == (2, 1)


def test_a_carved_contradiction_does_not_teach_what_is_certified():
    rows = [(number // 2, number % 2) for number in range(40)]
    chosen = pick([rows], Splits(dev=0.2, confirm=0.4))
    texts = {role: {row // 2 for row in rows.tolist()} for role, rows in chosen.rows.items()}
    assert not texts["train"] & texts["confirm"]
    assert not texts["dev"] & texts["confirm"]
    assert not texts["train"] & texts["dev"]


def test_samples_are_stratified_and_keep_every_label():
    rows = [*((number, 0) for number in range(90)), (90, 1), (91, 2)]
    chosen = pick([rows, [(100, 0)], [(101, 0)]], Splits(dev="dev", confirm="test", train_rows=10))
    assert Counter(rows[row][1] for row in chosen.rows["train"]) == {0: 8, 1: 1, 2: 1}


def test_confirm_is_sampled_to_the_row():
    chosen = pick(
        [unlike(9, 2), [(100, 0)], [(number + 200, number % 3) for number in range(31)]], Splits(dev="d", confirm="c", confirm_rows=7)
    )
    assert len(chosen.rows["confirm"]) == 7


def test_fewer_training_rows_than_labels_are_a_fault():
    with pytest.raises(DataFault, match="train_rows: 2 is less than the 3 labels"):
        pick([unlike(9, 3), [(100, 0)], [(101, 0)]], Splits(dev="dev", confirm="test", train_rows=2))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(sum), st.floats(0, 1))
def test_quotas_stay_within_one_of_their_share_and_add_up(counts, share):
    counts = np.array(counts)
    total = round(share * counts.sum())
    taken = quotas(counts, total, np.zeros_like(counts), counts)
    assert taken.sum() == total
    assert (np.abs(taken - counts * total / counts.sum()) < 1 + 1e-9).all()


@given(st.integers(3, 60), st.integers(1, 5), st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 9))
def test_every_row_is_in_exactly_one_split(count, labels, dev, confirm, seed):
    chosen = pick([unlike(count, labels)], Splits(dev=dev, confirm=confirm, seed=seed))
    assert sorted(np.concatenate(list(chosen.rows.values())).tolist()) == list(range(count))
    assert set(np.arange(min(count, labels))) == {row % labels for row in chosen.rows["train"].tolist()}


def test_named_splits_are_those_with_a_name():
    assert named_splits(Splits(train="t", dev=0.1, confirm="test")) == {"train": "t", "confirm": "test"}
