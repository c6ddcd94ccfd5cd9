"""Rows of one customer stay in one split, and keep their customer."""

import json

import numpy as np
import pytest

from smelt.data.build import prepare
from smelt.data.splits import choose
from smelt.errors import DataFault
from smelt.recipe.data import FilesData, Splits
from smelt.run.disk import Disk


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_carved_whole(seed):
    groups = np.repeat(np.arange(60), np.arange(60) % 7 + 1)
    n = len(groups)
    chosen = choose(np.zeros(n, np.int8), np.arange(n), np.zeros(n, np.int32), Splits(dev=0.2, confirm=0.3, seed=seed), groups)
    parts = {role: set(groups[rows].tolist()) for role, rows in chosen.rows.items()}
    assert not parts["train"] & parts["confirm"]
    assert not parts["train"] & parts["dev"]
    assert not parts["dev"] & parts["confirm"]
    assert sum(map(len, chosen.rows.values())) == n
    assert len(chosen.rows["confirm"]) / n == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("seed", range(9))
def test_one_of_the_groups_that_have_a_label_stays_in_train(seed):
    groups = np.repeat(np.arange(30), 4)
    labels = np.where(groups < 2, 1, np.where(groups == 2, 2, 0)).astype(np.int32)  # two customers have the one, one the other
    chosen = choose(np.zeros(120, np.int8), np.arange(120), labels, Splits(dev=0.3, confirm=0.4, seed=seed), groups)
    assert set(labels[chosen.rows["train"]].tolist()) == {0, 1, 2}
    assert not set(groups[chosen.rows["train"]]) & set(groups[np.concatenate([chosen.rows["dev"], chosen.rows["confirm"]])])


def test_the_group_of_a_row_goes_with_it(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"text {number}", "label": "ab"[number % 2], "who": number // 4} for number in range(80)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    dataset = prepare(FilesData(path=str(path), group="who"), tmp_path / "data", tmp_path / "work", Disk())
    confirm = dataset.confirm
    assert [int(text.split()[1]) // 4 for text in confirm.texts()] == list(map(int, confirm.groups))
    assert not set(confirm.groups) & set(dataset.train.groups)


def test_a_row_without_a_group_is_bad_and_a_missing_column_is_named(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label,who\n" + "".join(f"t{number},{number % 2},\n" for number in range(9)), encoding="utf-8")
    with pytest.raises(DataFault, match="no group"):
        prepare(FilesData(path=str(path), group="who"), tmp_path / "data", tmp_path / "work", Disk())
    with pytest.raises(DataFault, match="no column 'whom'"):
        prepare(FilesData(path=str(path), group="whom"), tmp_path / "data", tmp_path / "work", Disk())
