"""From files to a committed folder."""

import hashlib
import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from smelt.data.build import prepare
from smelt.data.dataset import open_dataset
from smelt.errors import DataFault, EnvironmentFault
from smelt.recipe.data import FilesData, Splits
from smelt.run.disk import Disk, read_manifest

NAMED = Splits(dev="dev", confirm="test")


@pytest.fixture
def folder(tmp_path, write_csv, rows_of):
    write_csv(tmp_path / "set" / "train.csv", rows_of(9))
    write_csv(tmp_path / "set" / "validation.csv", rows_of(3, word="dev"))
    write_csv(tmp_path / "set" / "test.csv", rows_of(5, word="test"))
    return tmp_path / "set"


def test_a_folder_of_splits_becomes_three_splits(prepare_files, folder):
    dataset = prepare_files(folder, NAMED)
    assert (len(dataset.train), len(dataset.dev), len(dataset.confirm)) == (9, 3, 5)
    assert dataset.confirm.texts() == [f"test {number}" for number in range(5)]
    assert dataset.confirm.labels == ["a", "b", "a", "b", "a"]
    assert dataset.dev.ids == ["validation-1", "validation-2", "validation-3"]


def test_the_committed_folder_is_whole_and_nothing_else_is_left(prepare_files, folder, tmp_path):
    prepare_files(folder, NAMED)
    manifest = read_manifest(tmp_path / "run" / "data")
    assert sorted(manifest["files"]) == ["confirm.arrow", "data.json", "dev.arrow", "rejects.jsonl", "train.arrow"]
    assert list((tmp_path / "run" / ".work").iterdir()) == []


def test_further_facts_reach_the_manifest(folder, tmp_path):
    section = FilesData(path=str(folder), splits=NAMED)
    prepare(section, tmp_path / "data", tmp_path / "work", Disk(), {"code": "17"})
    assert read_manifest(tmp_path / "data")["code"] == "17"


def test_texts_are_given_by_slice_by_number_and_from_the_end(prepare_files, folder):
    dev = prepare_files(folder, NAMED).dev
    assert dev.texts(slice(1, None)) == ["dev 1", "dev 2"]
    assert dev.texts(slice(None, None, 2)) == ["dev 0", "dev 2"]
    assert dev.texts(np.array([2, 0, -1])) == ["dev 2", "dev 0", "dev 2"]
    assert dev.texts([]) == []
    with pytest.raises(IndexError, match="rows from 0 to 3, but the split has 3"):
        dev.texts([0, 3])


def test_numbers_reach_across_batches_of_the_arrow_file(prepare_files, tmp_path, write_csv, rows_of):
    dataset = prepare_files(write_csv(tmp_path / "a.csv", rows_of(9000, labels=("a", "b", "c"))))
    for split in (dataset.train, dataset.dev, dataset.confirm):
        assert split.texts() == [f"text {int(row_id.removeprefix('a-')) - 1}" for row_id in split.ids]
        assert split.labels == ["abc"[int(text.split()[1]) % 3] for text in split.texts()]
        backwards = list(range(len(split)))[::-1]
        assert split.texts(backwards) == split.texts()[::-1]


def test_the_hash_of_a_split_is_over_its_rows(prepare_files, folder):
    dataset = prepare_files(folder, NAMED)
    rows = zip(dataset.dev.ids, dataset.dev.texts(), dataset.dev.labels, strict=True)
    lines = "".join(json.dumps(list(row), ensure_ascii=False) + "\n" for row in rows)
    assert dataset.facts["splits"]["dev"]["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_facts_say_what_is_in_the_splits(prepare_files, folder):
    facts = prepare_files(folder, NAMED).facts
    assert {role: split["rows"] for role, split in facts["splits"].items()} == {"train": 9, "dev": 3, "confirm": 5}
    assert facts["labels"] == {"a": 10, "b": 7}
    assert facts["splits"]["confirm"]["labels"] == {"a": 3, "b": 2}
    assert facts["characters"] == {"p5": 5, "p50": 6, "p95": 6, "p99": 6, "max": 6}
    assert (facts["bad_rows"], facts["cjk_share"], facts["conflicting_labels"]) == (0, 0.0, 0)


def test_duplicates_are_equal_after_normalization_and_counted(prepare_files, tmp_path, write_csv):
    composed, decomposed = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    assert composed != decomposed
    write_csv(tmp_path / "set" / "train.csv", [(decomposed, "a"), ("one", "a"), (" one ", "a"), ("two", "b"), ("two", "a")])
    write_csv(tmp_path / "set" / "dev.csv", [(composed + " ", "a"), ("four", "b")])
    write_csv(tmp_path / "set" / "test.csv", [(composed, "a"), ("six", "b")])
    dataset = prepare_files(tmp_path / "set", NAMED)
    assert dataset.facts["duplicates_dropped"] == {"train": 1, "dev": 1, "inside_train": 1}
    assert dataset.facts["conflicting_labels"] == 1
    assert dataset.train.texts() == ["one", "two", "two"]
    assert dataset.confirm.texts() == [composed, "six"]


def test_a_single_file_is_carved(prepare_files, tmp_path, write_csv, rows_of):
    dataset = prepare_files(write_csv(tmp_path / "reviews.csv", rows_of(20)))
    assert (len(dataset.train), len(dataset.dev), len(dataset.confirm)) == (10, 4, 6)
    assert set(dataset.train.ids) <= {f"reviews-{number}" for number in range(1, 21)}


def test_preparing_twice_gives_equal_bytes(prepare_files, tmp_path, write_csv, rows_of):
    path = write_csv(tmp_path / "a.csv", rows_of(30, labels=("x", "y", "z")))
    prepare_files(path)
    first = read_manifest(tmp_path / "run" / "data")
    prepare_files(path)
    assert read_manifest(tmp_path / "run" / "data") == first


def test_bad_rows_are_counted_and_kept_with_their_lines(prepare_files, tmp_path):
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows[:10], ",a", "no label,", "one,two,three", *rows[10:]]), encoding="utf-8")
    facts = prepare_files(tmp_path / "a.csv", max_bad_share=0.2).facts
    rejects = [json.loads(line) for line in (tmp_path / "run" / "data" / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert facts["bad_rows"] == 3
    assert [(reject["line"], reject["reason"], reject["excerpt"]) for reject in rejects] == [
        (12, "empty text", ""),
        (13, "no label", "no label"),
        (14, "3 fields, but the header has 2", "one,two,three"),
    ]
    assert {reject["file"] for reject in rejects} == {str(tmp_path / "a.csv")}


def test_too_many_bad_rows_stop_the_run_and_five_are_shown(prepare_files, tmp_path, write_csv, rows_of):
    path = write_csv(tmp_path / "a.csv", [*rows_of(10), *[("", "a")] * 7])
    with pytest.raises(DataFault) as caught:
        prepare_files(path)
    message = str(caught.value)
    assert "7 of 17 rows cannot be used (41.18%)" in message
    assert [f"a.csv:{line}  empty text" in message for line in (12, 16, 17)] == [True, True, False]
    assert not (tmp_path / "run" / "data").exists()


@pytest.mark.parametrize(
    ("values", "names"),
    [([1.0, 2.0], ["1", "2"]), ([1.0, 2.5], ["1.0", "2.5"]), ([3, 4], ["3", "4"]), ([True, False], ["true", "false"])],
)
def test_numbers_as_labels_become_strings(prepare_files, tmp_path, values, names):
    table = pa.table({"text": [f"text {number}" for number in range(20)], "label": values * 10})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert sorted(prepare_files(tmp_path / "a.parquet").facts["labels"]) == sorted(names)


def test_whole_floats_and_integers_are_the_same_label(prepare_files, tmp_path):
    for name, values in (("train", [0, 1, 1]), ("dev", [0.0, 1.0, 1.0]), ("test", [1.0, 0.0, 0.0])):
        (tmp_path / "set").mkdir(exist_ok=True)
        parquet.write_table(pa.table({"text": [f"{name} {n}" for n in range(3)], "label": values}), tmp_path / "set" / f"{name}.parquet")
    dataset = prepare_files(tmp_path / "set", NAMED)
    assert dataset.facts["labels"] == {"0": 4, "1": 5}
    assert dataset.confirm.labels == ["1", "0", "0"]


def test_a_label_that_train_lacks_is_a_fault_at_its_line(prepare_files, folder, write_csv):
    write_csv(folder / "test.csv", [("one", "a"), ("two\nlines", "b"), ("three", "c")])
    with pytest.raises(DataFault, match=r"test\.csv:5: label 'c' of confirm is on no row of train"):
        prepare_files(folder, NAMED)


def test_one_label_is_a_fault(prepare_files, tmp_path, write_csv, rows_of):
    with pytest.raises(DataFault, match="every row has the label 'same'"):
        prepare_files(write_csv(tmp_path / "a.csv", rows_of(20, labels=("same",))))


def test_a_header_without_rows_is_a_fault(prepare_files, tmp_path, write_csv):
    with pytest.raises(DataFault, match="no rows"):
        prepare_files(write_csv(tmp_path / "a.csv", []))


def test_a_split_without_rows_is_a_fault(prepare_files, tmp_path, write_csv, rows_of):
    with pytest.raises(DataFault, match="dev: no rows are left, of 3 in all"):
        prepare_files(write_csv(tmp_path / "a.csv", rows_of(3)))


def test_a_wrong_label_column_is_a_fault_before_it_fills_the_memory(prepare_files, tmp_path, write_csv):
    with pytest.raises(DataFault, match="row a-10001: more than 10,000 different labels"):
        prepare_files(write_csv(tmp_path / "a.csv", [(f"text {number}", f"id {number}") for number in range(10_010)]))


def test_a_label_with_one_row_is_a_warning(prepare_files, tmp_path, write_csv, rows_of):
    facts = prepare_files(write_csv(tmp_path / "a.csv", [*rows_of(20), ("alone", "c")])).facts
    assert "1 labels have a single row in train, such as c" in facts["warnings"]
    assert "1 labels of train have no row in confirm, such as c: no certificate covers them" in facts["warnings"]


def test_gb18030_comes_out_as_utf8_and_is_said(prepare_files, tmp_path):
    lines = ["text,label", *(f"第{number}条央行新闻,{'利率' if number % 2 else '债券'}" for number in range(20))]
    (tmp_path / "a.csv").write_bytes("\r\n".join(lines).encode("gb18030"))
    dataset = prepare_files(tmp_path / "a.csv")
    assert set(dataset.train.labels) == {"利率", "债券"}
    assert dataset.facts["cjk_share"] > 0.7
    assert "a.csv: read as GB18030, since it is not UTF-8" in dataset.facts["warnings"]


def test_a_full_disk_is_a_fault_and_leaves_no_folder(folder, tmp_path):
    class FullDisk(Disk):
        def write(self, path, data):
            raise OSError(28, "No space left on device", str(path))

    with pytest.raises(EnvironmentFault, match="No space left on device"):
        prepare(FilesData(path=str(folder), splits=NAMED), tmp_path / "data", tmp_path / "work", FullDisk())
    assert not (tmp_path / "data").exists()


def test_a_folder_that_is_no_data_is_a_fault(tmp_path):
    with pytest.raises(EnvironmentFault, match="no prepared data"):
        open_dataset(tmp_path)
