"""`smelt predict` and `smelt bench` with a tiny bundle."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from smelt.runtime.bundle import open_bundle

TEXTS = ["rate cut", "bond bond rate", "", "央 行", 'a "quoted", text']
COLUMNS = ["number", "body", "prediction", "confidence"]


@pytest.fixture
def want(bundle):
    """Answers of the bundle asked directly."""
    answers = open_bundle(bundle, threads=1).answers(TEXTS)
    return answers.predictions, answers.confidences.tolist()


@pytest.fixture
def write_table(tmp_path, write_csv):
    """Writes the texts with their numbers, in the format of the ending."""

    def write(ending, column="body"):
        path = tmp_path / f"in.{ending}"
        numbers = list(range(7, 7 + len(TEXTS)))
        if ending == "csv":
            write_csv(path.name, ("number", column), *zip(numbers, TEXTS, strict=True))
        elif ending == "jsonl":
            lines = [json.dumps({"number": number, column: text}) for number, text in zip(numbers, TEXTS, strict=True)]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            parquet.write_table(pa.table({"number": numbers, column: TEXTS}), path)
        return path

    return write


def read_table(path):
    """Columns of a table by name; values of csv are strings."""
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pydict()
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream)) if path.suffix == ".csv" else [json.loads(line) for line in stream]
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
def test_the_columns_are_kept_and_prediction_and_confidence_come_last(smelt, bundle, write_table, want, tmp_path, source, target):
    done = smelt("predict", bundle, write_table(source), "-o", f"out.{target}", "--threads", "1")
    assert done.code == 0
    table = read_table(tmp_path / f"out.{target}")
    assert list(table) == COLUMNS
    assert [int(number) for number in table["number"]] == [7, 8, 9, 10, 11]
    assert [text or "" for text in table["body"]] == TEXTS
    assert table["prediction"] == want[0]
    np.testing.assert_allclose([float(share) for share in table["confidence"]], want[1], atol=1e-6)


def test_it_says_how_many_rows_and_which_were_empty(smelt, bundle, write_table):
    done = smelt("predict", bundle, write_table("jsonl"), "-o", "out.jsonl")
    assert done.out.startswith("out.jsonl: 5 rows, ")
    assert done.err.startswith("1 row")
    assert "no text in column body" in done.err


@pytest.mark.parametrize(("column", "options"), [("text", ()), ("review", ("--text", "review"))])
def test_another_column_is_read_if_it_is_called_text_or_is_named(smelt, bundle, write_table, want, tmp_path, column, options):
    assert smelt("predict", bundle, write_table("csv", column), "-o", "out.csv", *options).code == 0
    assert read_table(tmp_path / "out.csv")["prediction"] == want[0]


def test_the_column_of_training_is_read_before_one_called_text(smelt, bundle, write_csv, want, tmp_path):
    path = write_csv("in.csv", ("text", "body"), *(("bonds", text) for text in TEXTS))
    assert smelt("predict", bundle, path, "-o", "out.csv").code == 0
    assert read_table(tmp_path / "out.csv")["prediction"] == want[0]


@pytest.mark.parametrize("options", [(), ("--text", "bodi")])
def test_a_wrong_column_is_4_and_writes_nothing(smelt, bundle, write_table, tmp_path, options):
    done = smelt("predict", bundle, write_table("csv", "review"), "-o", "out.csv", *options)
    assert done.code == 4
    assert "there are: number, review" in done.err
    assert not (tmp_path / "out.csv").exists()


def test_the_same_file_in_and_out_is_2_and_is_left_as_it_is(smelt, bundle, write_table):
    path = write_table("csv")
    before = path.read_bytes()
    done = smelt("predict", bundle, path, "-o", "in.csv")
    assert (done.code, path.read_bytes()) == (2, before)


def test_a_file_that_is_not_there_is_4(smelt, bundle):
    assert smelt("predict", bundle, "none.csv", "-o", "out.csv").code == 4


def test_an_ending_that_is_no_format_is_4(smelt, bundle, write_table):
    assert smelt("predict", bundle, write_table("csv"), "-o", "out.xlsx").code == 4


def test_a_column_that_the_output_adds_is_4(smelt, bundle, write_csv):
    path = write_csv("in.csv", ("body", "prediction"), ("rate", "oil"))
    assert smelt("predict", bundle, path, "-o", "out.csv").code == 4


def test_a_torn_row_is_4_and_leaves_no_half_answer(smelt, bundle, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"body": "rate"}\n{"body": "ra', encoding="utf-8")
    done = smelt("predict", bundle, "in.jsonl", "-o", "out.jsonl")
    assert done.code == 4
    assert "in.jsonl:2" in done.err
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize(
    "command", [("predict", "{}", "in.csv", "-o", "out.csv"), ("bench", "{}", "--data", "in.csv")], ids=["predict", "bench"]
)
def test_no_bundle_is_5(smelt, write_table, command):
    write_table("csv")
    done = smelt(*(part.format("none") for part in command))
    assert done.code == 5
    assert "no bundle" in done.err


def test_a_bundle_that_was_changed_is_5(smelt, bundle, write_table, tmp_path):
    shutil.copytree(bundle, tmp_path / "changed")
    with (tmp_path / "changed" / "labels.json").open("a", encoding="utf-8") as stream:
        stream.write(" ")
    done = smelt("predict", "changed", write_table("csv"), "-o", "out.csv")
    assert done.code == 5
    assert "labels.json" in done.err


def test_bench_json_is_one_document(smelt, bundle, write_table):
    done = smelt("bench", bundle, "--data", write_table("csv"), "--batch", "3", "--threads", "1", "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert (facts["documents"], facts["batch"], facts["threads"], facts["runtime"]) == (5, 3, 1, "numpy")
    assert 0 < facts["latency_ms_p50"] <= facts["latency_ms_p99"]
    assert facts["examples_per_s"] > 0


def test_bench_says_it_in_a_line(smelt, bundle, write_table):
    done = smelt("bench", bundle, "--data", write_table("jsonl"), "--threads", "1")
    assert done.code == 0
    assert done.out.startswith("numpy fp32: ")
    assert done.out.count("\n") == 1


def test_bench_of_a_wrong_column_is_4(smelt, bundle, write_table):
    assert smelt("bench", bundle, "--data", write_table("csv", "review")).code == 4


def test_bench_of_no_rows_is_4(smelt, bundle, write_csv):
    assert smelt("bench", bundle, "--data", write_csv("in.csv", ("body",))).code == 4


@pytest.mark.parametrize("options", [("--batch", "0"), ("--threads", "0"), ("--threads", "-2")])
def test_bench_of_less_than_one_is_2(smelt, bundle, write_table, options):
    assert smelt("bench", bundle, "--data", write_table("csv"), *options).code == 2


def test_chinese_labels_and_messages_reach_file_and_terminal(smelt, bundle, write_table, want, tmp_path, monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "zh")
    assert smelt("predict", bundle, write_table("csv"), "-o", "out.csv").code == 0
    assert read_table(tmp_path / "out.csv")["prediction"] == want[0]


def test_bench_says_how_to_share_the_cores_between_processes(smelt, bundle, write_table):
    done = smelt("bench", bundle, "--data", write_table("csv"), "--threads", "1", "--serving", "--json")
    assert done.code == 0, done.err
    found = done.document["layouts"]
    assert all(way["workers"] * way["threads"] == found[0]["threads"] for way in found)
    assert all(way["examples_per_s"] > 0 for way in found)
