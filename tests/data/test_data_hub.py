"""The hub, with its answers made up here."""

from types import SimpleNamespace

import pytest

from smelt.data.hub import open_hub
from smelt.data.rows import Reject, Row
from smelt.errors import DataFault, EnvironmentFault
from smelt.recipe.data import HubData, Splits


class FakeSplit:
    """Streams dictionaries as `datasets.IterableDataset` does."""

    def __init__(self, rows, features=None, fails_after=None):
        self.rows, self.features, self.fails_after = rows, features, fails_after

    def select_columns(self, names):
        return FakeSplit([{name: row[name] for name in names} for row in self.rows], self.features, self.fails_after)

    def __iter__(self):
        for number, row in enumerate(self.rows):
            if number == self.fails_after:
                raise ConnectionError("the line is dead")
            yield row


ROWS = [{"text": "one", "label": 1, "id": 9}, {"text": "two", "label": 0, "id": 8}, {"text": "three", "label": -1, "id": 7}]
FEATURES = {"text": SimpleNamespace(), "label": SimpleNamespace(names=["neg", "pos"]), "id": SimpleNamespace()}


def opened(found, **fields):
    section = HubData(path="owner/name", **fields)
    return open_hub(section, lambda asked: found if asked is section else None)


def rows_of_train(source):
    return list(source.parts["train"].rows())


def test_class_numbers_become_names_and_minus_one_is_no_label():
    first, second, third = rows_of_train(opened({"train": FakeSplit(ROWS, FEATURES)}))
    assert first == Row("train-1", 1, "one", "pos")
    assert second.label == "neg"
    assert isinstance(third, Reject)
    assert (third.file, third.line, third.reason) == ("owner/name/train", 3, "no label")


def test_without_features_the_first_row_tells_the_columns():
    assert [row.label for row in rows_of_train(opened({"train": FakeSplit(ROWS)}))] == ["1", "0", "-1"]


def test_other_columns_may_be_named():
    source = opened({"train": FakeSplit(ROWS, FEATURES)}, label="id")
    assert [row.label for row in rows_of_train(source)] == ["9", "8", "7"]


def test_named_splits_are_taken():
    splits = {"train": FakeSplit(ROWS), "validation": FakeSplit(ROWS[:1]), "test": FakeSplit(ROWS[:2])}
    source = opened(splits, splits=Splits(dev="validation", confirm="test"))
    assert [row.id for row in source.parts["confirm"].rows()] == ["test-1", "test-2"]


def test_a_missing_split_says_which_there_are():
    with pytest.raises(DataFault, match=r"no split 'test'\. Splits: train, dev\."):
        opened({"train": FakeSplit(ROWS), "dev": FakeSplit(ROWS)}, splits=Splits(confirm="test"))


def test_a_missing_column_says_which_there_are():
    with pytest.raises(DataFault, match=r"owner/name/train: no column 'txt'\. Columns: text, label, id\. Did you mean 'text'"):
        opened({"train": FakeSplit(ROWS, FEATURES)}, text="txt")


def test_a_line_that_breaks_is_a_fault():
    with pytest.raises(EnvironmentFault, match="owner/name at main: the line is dead"):
        rows_of_train(opened({"train": FakeSplit(ROWS, FEATURES, fails_after=1)}))
