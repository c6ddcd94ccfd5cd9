"""Which file is which split, and what is wrong with a path."""

import pytest

from smelt.data.files import open_files
from smelt.errors import DataFault
from smelt.recipe.data import FilesData, Splits

NAMED = Splits(dev="dev", confirm="test")


def opened(path, splits=NAMED, **fields):
    return open_files(FilesData(path=str(path), splits=splits, **fields))


@pytest.fixture
def folder(tmp_path, write_csv):
    for name in ("train", "dev", "test"):
        write_csv(tmp_path / "set" / f"{name}.csv", [(name, "a")])
    return tmp_path / "set"


def test_names_are_those_of_the_files_without_their_ending(folder):
    assert {role: part.file for role, part in opened(folder).parts.items()} == {
        "train": str(folder / "train.csv"),
        "dev": str(folder / "dev.csv"),
        "confirm": str(folder / "test.csv"),
    }


def test_a_share_needs_no_file(folder):
    assert list(opened(folder, Splits(confirm="test")).parts) == ["train", "confirm"]


@pytest.mark.parametrize("name", ["validation", "valid", "val"])
def test_dev_has_other_names(folder, name):
    (folder / "dev.csv").rename(folder / f"{name}.csv")
    assert opened(folder).parts["dev"].file == str(folder / f"{name}.csv")


def test_formats_may_differ(folder, write_jsonl):
    (folder / "test.csv").unlink()
    write_jsonl(folder / "test.jsonl", [{"text": "x", "label": 1}])
    assert opened(folder).parts["confirm"].file.endswith("test.jsonl")


def test_other_files_do_not_matter(folder):
    (folder / "README.md").write_text("x", encoding="utf-8")
    for name in (".train.csv", ".train.jsonl"):
        (folder / name).write_text("x", encoding="utf-8")
    assert len(opened(folder).parts) == 3


def test_two_files_of_one_name_are_a_fault(folder, write_jsonl):
    write_jsonl(folder / "train.jsonl", [{"text": "x", "label": 1}])
    with pytest.raises(DataFault, match=r"'train\.csv' and 'train\.jsonl' are the same split"):
        opened(folder)


def test_a_split_without_a_file_is_a_fault_that_lists_the_files(folder):
    with pytest.raises(DataFault, match=r"no file of the split 'final'. Files: dev\.csv, test\.csv, train\.csv"):
        opened(folder, Splits(confirm="final"))


def test_one_file_cannot_teach_and_certify(folder):
    with pytest.raises(DataFault, match=r"dev\.csv: named for dev and for confirm"):
        opened(folder, Splits(dev="val", confirm="dev"))


def test_a_folder_without_tables_is_a_fault(tmp_path):
    with pytest.raises(DataFault, match="no csv, tsv, jsonl or parquet file"):
        opened(tmp_path)


def test_a_name_for_a_single_file_is_a_fault(folder):
    with pytest.raises(DataFault, match=r"'test' names a split, but .* is a single file"):
        opened(folder / "train.csv", Splits(confirm="test"))


def test_a_wrong_path_suggests_a_near_one(folder):
    with pytest.raises(DataFault, match=r"Did you mean '.*/train\.csv'"):
        opened(folder / "trian.csv", Splits())


def test_a_missing_column_says_which_there_are(folder):
    with pytest.raises(DataFault, match=r"no column 'txt'. Columns: text, label. Did you mean 'text'\?\n  Name the column in data.text"):
        opened(folder, text="txt")


def test_a_link_to_a_file_is_followed(folder, tmp_path):
    (tmp_path / "linked.csv").symlink_to(folder / "train.csv")
    assert [row.text for row in opened(tmp_path / "linked.csv", Splits()).parts["train"].rows()] == ["train"]
