"""Every column comes back as it was, with the answers beside it."""

import csv
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from smelt.data.stream import RowWriter, open_rows
from smelt.errors import DataFault, EnvironmentFault
from smelt.run.disk import Disk


def copy(source, target, rows=3):
    """Sends a table through reader and writer with made-up answers."""
    table = open_rows(source)
    with RowWriter(target, table.schema, Disk()) as writer:
        for batch in table.batches(rows):
            assert batch.num_rows <= rows
            writer.write(batch, ["yes"] * batch.num_rows, [0.12345678] * batch.num_rows)
    return target


def csv_rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def json_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_csv_values_come_back_byte_for_byte(tmp_path, write_csv):
    rows = [["007", "a, b", "1.50"], ["", 'say "x"', "two\nlines"], [" x ", "lone\rreturn", "é央"], ["TRUE", "1e5", "NaN"]]
    source = write_csv(tmp_path / "in.csv", rows, header=("id", "text", "z"))
    got = csv_rows(copy(source, tmp_path / "out.csv"))
    assert got == [["id", "text", "z", "prediction", "confidence"], *([*row, "yes", "0.123457"] for row in rows)]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3), min_size=1, max_size=7))
def test_any_csv_value_survives(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    assert [row[:3] for row in csv_rows(copy(folder / "in.csv", folder / "out.csv"))[1:]] == rows


def test_gb18030_goes_out_as_utf8(tmp_path):
    (tmp_path / "in.csv").write_bytes("文本,id\n央行今天降息了,1\n".encode("gb18030"))
    assert csv_rows(copy(tmp_path / "in.csv", tmp_path / "out.csv"))[1] == ["央行今天降息了", "1", "yes", "0.123457"]


def test_tsv_stays_tsv(tmp_path):
    (tmp_path / "in.tsv").write_text("a\tb\n1, 2\t3\n", encoding="utf-8")
    assert copy(tmp_path / "in.tsv", tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()[0] == "a\tb\tprediction\tconfidence"
    assert csv_rows(copy(tmp_path / "in.tsv", tmp_path / "out.csv"))[1] == ["1, 2", "3", "yes", "0.123457"]


JSON_ROWS = [
    {"text": "one", "n": 1, "x": 0.5, "flag": True, "mixed": 1, "deep": {"a": [1, "é"]}, "big": 1 << 70},
    {"text": None, "n": 2, "x": 2.0, "flag": False, "mixed": "1", "deep": [], "big": 2},
    {"late": "央", "text": "three", "n": None, "x": None, "flag": None, "mixed": None, "deep": None, "big": None},
]


def test_jsonl_values_keep_their_types(tmp_path, write_jsonl):
    got = json_rows(copy(write_jsonl(tmp_path / "in.jsonl", JSON_ROWS), tmp_path / "out.jsonl", rows=2))
    columns = dict.fromkeys(["text", "n", "x", "flag", "mixed", "deep", "big", "late"])
    assert got == [columns | row | {"prediction": "yes", "confidence": 0.123457} for row in JSON_ROWS]
    assert list(got[0]) == [*columns, "prediction", "confidence"]


def test_jsonl_goes_to_csv_as_json(tmp_path, write_jsonl):
    got = csv_rows(copy(write_jsonl(tmp_path / "in.jsonl", JSON_ROWS), tmp_path / "out.csv"))
    assert got[1][:7] == ["one", "1", "0.5", "true", "1", '{"a": [1, "é"]}', str(1 << 70)]
    assert got[2][:7] == ["", "2", "2.0", "false", '"1"', "[]", "2"]


def test_jsonl_goes_to_parquet_with_types(tmp_path, write_jsonl):
    got = parquet.read_table(copy(write_jsonl(tmp_path / "in.jsonl", JSON_ROWS), tmp_path / "out.parquet"))
    assert [str(got.schema.field(name).type) for name in ("text", "n", "x", "flag", "prediction", "confidence")] == [
        "string", "int64", "double", "bool", "string", "double",
    ]  # fmt: skip
    assert got.column("n").to_pylist() == [1, 2, None]


def test_parquet_columns_keep_their_types(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["one", None, "three", "four"]).dictionary_encode(),
            "n": pa.array([1, 2, None, 4], pa.int8()),
            "when": pa.array([1, 2, 3, 4], pa.timestamp("ms")),
            "nested": [[1], [], None, [2, 3]],
            "raw": [b"\xff", b"", None, b"x"],
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    got = parquet.read_table(copy(tmp_path / "in.parquet", tmp_path / "out.parquet"))
    assert got.drop_columns(["prediction", "confidence"]).to_pylist() == table.to_pylist()
    assert got.schema.field("n").type == pa.int8()


def test_parquet_goes_to_jsonl_as_json(tmp_path):
    parquet.write_table(pa.table({"text": ["one", "two"], "x": [float("nan"), 0.25], "nested": [[1], None]}), tmp_path / "in.parquet")
    got = json_rows(copy(tmp_path / "in.parquet", tmp_path / "out.jsonl"))
    assert [list(row.values())[:3] for row in got] == [["one", None, [1]], ["two", 0.25, None]]


def test_a_header_alone_comes_out_as_a_header(tmp_path, write_csv):
    assert csv_rows(copy(write_csv(tmp_path / "in.csv", []), tmp_path / "out.csv")) == [["text", "label", "prediction", "confidence"]]


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("in.csv", "text,b\none,1\ntwo\n", "in.csv:3: 1 fields"),
        ("in.jsonl", '{"text": "one"}\n{"text": \n', "in.jsonl:2: not JSON"),
        ("in.jsonl", '{"text": "one"}\n{"text": "\\ud800"}\n', "in.jsonl:2: "),
    ],
)
def test_a_row_that_cannot_be_read_is_a_fault_and_no_file(tmp_path, name, content, place):
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    with pytest.raises(DataFault) as caught:
        copy(tmp_path / name, tmp_path / "out.csv", rows=1)
    assert place in str(caught.value)
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.csv"])


def test_a_parquet_string_that_is_not_utf8_is_a_fault(tmp_path):
    raw = pa.array([b"ok", b"\xff"])
    broken = pa.Array.from_buffers(pa.string(), 2, [None, *raw.buffers()[1:]])
    parquet.write_table(pa.table({"text": broken}), tmp_path / "in.parquet")
    with pytest.raises(DataFault, match="UTF8"):
        copy(tmp_path / "in.parquet", tmp_path / "out.csv")


@pytest.mark.parametrize("name", ["prediction", "confidence"])
def test_a_column_of_our_name_is_a_fault(tmp_path, write_csv, name):
    table = open_rows(write_csv(tmp_path / "in.csv", [], header=("text", name)))
    with pytest.raises(DataFault, match=f"a column '{name}' already"):
        RowWriter(tmp_path / "out.csv", table.schema, Disk())


def test_an_unknown_ending_is_a_fault_before_anything_is_written(tmp_path):
    with pytest.raises(DataFault, match="the ending must be one of"):
        RowWriter(tmp_path / "out.xlsx", pa.schema([("text", pa.string())]), Disk())
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_synced_then_renamed_then_its_folder_synced(tmp_path):
    done = []

    class Watched(Disk):
        def sync(self, path):
            done.append(("sync", path.name))

        def rename(self, source, target):
            done.append(("rename", source.name, target.name))
            super().rename(source, target)

    with RowWriter(tmp_path / "out.csv", pa.schema([("text", pa.string())]), Watched()):
        pass
    assert done == [("sync", ".out.csv.tmp"), ("rename", ".out.csv.tmp", "out.csv"), ("sync", tmp_path.name)]


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match=r"out\.csv"):
        RowWriter(tmp_path / "file" / "out.csv", pa.schema([("text", pa.string())]), Disk())


def test_memory_does_not_grow_with_the_rows(tmp_path):
    with (tmp_path / "in.csv").open("w", encoding="utf-8") as stream:
        stream.write("text\n" + f"{'x' * 1000}\n" * 20_000)
    table = open_rows(tmp_path / "in.csv")
    before = pa.total_allocated_bytes()
    batches = table.batches(100)
    peak = max(pa.total_allocated_bytes() - before for _ in batches)
    assert peak < (tmp_path / "in.csv").stat().st_size / 20
