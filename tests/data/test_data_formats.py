"""csv, tsv, jsonl and parquet, the hostile ones above all."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from smelt.data.delimited import Delimited
from smelt.data.formats import open_table
from smelt.data.rows import MAX_CHARACTERS, Flaw, Record
from smelt.errors import DataFault


def read(path, columns=None, encoding="auto"):
    table = open_table(path, encoding)
    return [(record.line, list(record.values)) for record in table.records(columns or table.columns) if isinstance(record, Record)]


def flaws(path):
    table = open_table(path)
    return [record for record in table.records(table.columns) if isinstance(record, Flaw)]


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_record_is_placed_at_its_first_line(tmp_path):
    path = put(tmp_path / "a.csv", 'text,label\r\n"one\r\ntwo",a\r\n\r\nthree,b\r\n')
    assert read(path) == [(2, ["one\r\ntwo", "a"]), (5, ["three", "b"])]


def test_line_ends_may_be_mixed(tmp_path):
    assert read(put(tmp_path / "a.csv", b"text,label\rone,a\ntwo,b\r\nthree,c")) == [
        (2, ["one", "a"]),
        (3, ["two", "b"]),
        (4, ["three", "c"]),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_chinese_is_read_in_every_encoding(tmp_path, encoding):
    path = put(tmp_path / "a.csv", "文本,标签\n央行降息了，市场平静,利率\n".replace("，", "\uff0c").encode(encoding))
    assert read(path) == [(2, ["央行降息了，市场平静", "利率"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_guessed(tmp_path, write_csv, delimiter):
    rows = [["a, b; c | d\te", "x"], ["one, two; three", "y"], ['say "hi"', "z"]]
    path = write_csv(tmp_path / "a.csv", rows, delimiter=delimiter)
    assert [values for _, values in read(path)] == rows


def test_commas_in_the_texts_do_not_outvote_the_header(tmp_path):
    assert read(put(tmp_path / "a.csv", "text;label\none, two, three;a\nfour, five, six;b\n"))[1] == (3, ["four, five, six", "b"])


def test_the_delimiter_is_the_one_that_rows_agree_on(tmp_path):
    path = put(tmp_path / "a.csv", "text;label (p, q)\none, two, three;p\nfour;q\n")
    assert read(path) == [(2, ["one, two, three", "p"]), (3, ["four", "q"])]


def test_tsv_takes_tabs_only(tmp_path):
    assert read(put(tmp_path / "a.tsv", "text,id\tlabel\none, two\ta\n")) == [(2, ["one, two", "a"])]


def test_ragged_rows_are_flaws_with_their_line(tmp_path):
    found = flaws(put(tmp_path / "a.csv", "text,label\none,a\ntwo\nthree,c,d\nfour,d\n"))
    assert [(flaw.line, flaw.reason) for flaw in found] == [(3, "1 fields, but the header has 2"), (4, "3 fields, but the header has 2")]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    path = put(tmp_path / "a.csv", 'text,label\none,a\n"two,b\nthree,c\n')
    assert [flaw.line for flaw in flaws(path)] == [3]
    assert read(path) == [(2, ["one", "a"])]


def test_letters_after_a_closing_quote_are_a_flaw(tmp_path):
    path = put(tmp_path / "a.csv", 'text,label\n"one" two,a\nthree,b\n')
    assert [flaw.line for flaw in flaws(path)] == [2]
    assert read(path) == [(3, ["three", "b"])]


def test_a_field_of_a_million_characters_is_read_and_a_longer_one_is_a_flaw(tmp_path):
    path = put(tmp_path / "a.csv", f"text,label\n{'x' * MAX_CHARACTERS},a\n{'y' * (MAX_CHARACTERS + 1)},b\nlast,c\n")
    assert [(line, len(values[0])) for line, values in read(path)] == [(2, MAX_CHARACTERS), (4, 4)]
    assert [flaw.line for flaw in flaws(path)] == [3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\n", "no header"),
        ("a.csv", "text,label,text\n", "column 'text' appears 2 times"),
        ("a.jsonl", "\n\n", "no rows"),
        ("a.jsonl", "[1, 2]\n", "a.jsonl:1: a JSON list, want an object"),
        ("a.jsonl", "nonsense\n", "a.jsonl:1: not JSON"),
        ("a.parquet", "PAR1nonsense", "not a readable parquet file"),
        ("a.txt", "text", "the ending must be one of .csv"),
    ],
)
def test_a_file_that_is_no_table_is_a_fault(tmp_path, name, content, message):
    with pytest.raises(DataFault) as caught:
        open_table(put(tmp_path / name, content))
    assert message in str(caught.value)


def test_a_missing_file_is_a_fault(tmp_path):
    with pytest.raises(DataFault, match="no such file"):
        open_table(tmp_path / "a.csv")


def test_jsonl_keeps_line_numbers_and_types(tmp_path):
    path = put(tmp_path / "a.jsonl", '{"text": "one", "label": 1}\n\n{"label": 2.5, "text": null}\r\n{"text": ["x"]}\n')
    assert read(path, ["text", "label"]) == [(1, ["one", 1]), (3, [None, 2.5]), (4, [["x"], None])]


@pytest.mark.parametrize("line", ['{"text": "cut', "[1]", "3", "null", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "\0"])
def test_hostile_json_is_a_flaw(tmp_path, line):
    path = put(tmp_path / "a.jsonl", f'{{"text": "one"}}\n{line}\n{{"text": "three"}}\n')
    assert [flaw.line for flaw in flaws(path)] == [2]
    assert [line for line, _ in read(path)] == [1, 3]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_csv_writes_is_what_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["text", "label"], *rows])
    table = Delimited(path, ("text", "label"), "utf-8", ",")
    assert [list(record.values) for record in table.records(("text", "label"))] == rows


@given(st.binary(max_size=200))
def test_no_bytes_at_all_bring_more_than_a_fault(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("raw")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet"):
        path = put(folder / name, raw)
        try:
            table = open_table(path)
            list(table.records(table.columns))
        except DataFault:
            continue


def test_parquet_is_read_across_row_groups_and_dictionaries(tmp_path):
    texts = [f"t{number % 3}" for number in range(1100)]
    table = pa.table({"text": pa.array(texts, pa.large_string()), "label": [1] * 1100})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=400)
    assert [values[0] for _, values in read(tmp_path / "a.parquet", ["text", "label"])] == texts


def test_parquet_categories_and_bytes_are_text(tmp_path):
    table = pa.table({"text": pa.array([b"one", b"\xff"]), "label": pa.array(["a", "b"]).dictionary_encode()})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert [values for _, values in read(tmp_path / "a.parquet", ["text", "label"])] == [["one", "a"], [b"\xff", "b"]]


def test_parquet_strings_that_are_not_utf8_are_flaws(tmp_path):
    broken = pa.Array.from_buffers(pa.string(), 2, [None, pa.array([b"ok", b"\xff"]).buffers()[1], pa.array([b"ok", b"\xff"]).buffers()[2]])
    parquet.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [(1, ["ok"])]
    assert [(flaw.line, flaw.reason) for flaw in flaws(tmp_path / "a.parquet")] == [(2, "bytes that are not UTF-8")]


def test_a_small_parquet_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path):
    # One text of 600 kB, mentioned 2,000 times: 1.2 GB from a few kB.
    indices = pa.array(np.zeros(2000, np.int32))
    text = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 600_000]))
    parquet.write_table(pa.table({"text": text}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    with pytest.raises(DataFault, match="unpacks to more than 1,000 times"):
        read(tmp_path / "a.parquet")


def test_a_parquet_file_that_declares_an_absurd_size_is_refused(tmp_path):
    width, rows = 100_000, 2_800
    zeros = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows, [None, pa.py_buffer(np.zeros(width * rows, np.uint8))])
    parquet.write_table(pa.table({"x": zeros}), tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(DataFault, match="unpacks to more than 1,000 times"):
        open_table(tmp_path / "a.parquet")


def test_a_parquet_file_that_declares_an_absurd_number_of_rows_is_refused(tmp_path):
    parquet.write_table(pa.table({"x": pa.nulls(20_000_000)}), tmp_path / "a.parquet", row_group_size=20_000_000)
    with pytest.raises(DataFault, match="unpacks to more than 1,000 times"):
        open_table(tmp_path / "a.parquet")


def test_json_written_by_json_is_read_as_it_was(tmp_path):
    values = [{"text": "a\u2028b\x85c", "label": "x"}, {"text": "\r\n", "label": "y"}]
    path = put(tmp_path / "a.jsonl", "\n".join(json.dumps(value, ensure_ascii=False) for value in values))
    assert [values for _, values in read(path)] == [["a\u2028b\x85c", "x"], ["\r\n", "y"]]
