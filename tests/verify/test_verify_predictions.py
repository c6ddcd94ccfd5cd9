import hashlib
import json

import numpy as np
import pytest

from smelt.errors import DataFault
from smelt.run.disk import Disk
from smelt.types import Prediction
from smelt.verify import predictions


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="a.jsonl"):
        path = tmp_path / name
        path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
        return path

    return write


def test_rows_come_sorted_by_id_with_their_label_and_prediction(file):
    got = predictions.read(file({"id": "b", "label": "x", "prediction": "y"}, {"id": "a", "prediction": "x"}))
    assert got.ids.to_pylist() == ["a", "b"]
    assert [got.names[number] for number in got.predictions_B] == ["x", "y"]
    assert got.labels_B.tolist() == [predictions.UNKNOWN, got.names.index("x")]


@pytest.mark.parametrize("value", [b"7", b"7.0", b'"7"'])
def test_a_number_is_the_name_it_is_written_as(file, value):
    got = predictions.read(file(b'{"id": %b, "label": %b, "prediction": %b}' % (value, value, value)))
    assert (got.ids.to_pylist(), got.names) == (["7"], ("7",))


def test_other_names_keep_their_form(file):
    got = predictions.read(file({"id": 0.25, "prediction": True}, {"id": -3, "prediction": "中"}))
    assert (got.ids.to_pylist(), got.names) == (["-3", "0.25"], ("true", "中"))


def test_a_null_label_is_no_label(file):
    assert predictions.read(file({"id": 1, "label": None, "prediction": 2})).labels_B.tolist() == [predictions.UNKNOWN]


def test_blank_lines_and_a_byte_order_mark_are_passed_over(file):
    assert len(predictions.read(file(b'\xef\xbb\xbf{"id": 1, "prediction": 2}', b" ", b"")).ids) == 1


def test_scores_are_read_on_request_in_the_order_of_the_ids(file):
    path = file({"id": "b", "prediction": 0, "scores": [0.5, 0.25, 0.25]}, {"id": "a", "prediction": 1, "scores": [0, 1, 0]})
    np.testing.assert_array_equal(predictions.read(path, scores=True).scores_BC, [[0, 1, 0], [0.5, 0.25, 0.25]])
    assert predictions.read(path).scores_BC is None


def test_a_file_without_scores_has_none(file):
    assert predictions.read(file({"id": 1, "prediction": 2}), scores=True).scores_BC is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"{", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "not a JSON object in UTF-8"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"prediction": 1}', "`id` is missing"),
        (b'{"id": 1}', "`prediction` is missing"),
        (b'{"id": null, "prediction": 1}', "`id` is null, want a string or a number"),
        (b'{"id": 1, "prediction": [1]}', r"`prediction` is \[1\], want"),
        (b'{"id": 1, "prediction": NaN}', "`prediction` is NaN, want"),
        (b'{"id": 1, "prediction": 1, "label": {}}', "`label` is {}, want"),
        (b'{"id": "\\ud800", "prediction": 1}', "`id` is .*, want"),
        (b'{"id": 1, "prediction": 1, "scores": [1, "x", 2]}', "`scores` holds"),
        (b'{"id": 1, "prediction": 1, "scores": [1, NaN, 2]}', "`scores` holds"),
        (b'{"id": 1, "prediction": 1, "scores": [1, 1e400, 2]}', "`scores` holds"),
        (b'{"id": 1, "prediction": 1, "scores": [1]}', "1 scores, where the lines before have 3"),
        (b'{"id": 1, "prediction": 1}', "0 scores, where the lines before have 3"),
        (b'{"id": 0, "prediction": 1, "scores": [1, 0, 0]}', "id '0' stands in line 1 already"),
    ],
)
def test_a_faulty_line_is_named_with_its_number(file, line, found):
    path = file({"id": "0", "prediction": 1, "scores": [1, 0, 0]}, line)
    with pytest.raises(DataFault, match=f"a.jsonl:2: .*{found}") as caught:
        predictions.read(path, scores=True)
    assert caught.value.step


def test_an_empty_file_is_refused(file):
    with pytest.raises(DataFault, match=r"a\.jsonl: no predictions"):
        predictions.read(file())


def test_a_missing_file_is_a_data_fault(tmp_path):
    with pytest.raises(DataFault, match=r"no\.jsonl: No such file"):
        predictions.read(tmp_path / "no.jsonl")


def test_a_folder_is_a_data_fault(tmp_path):
    with pytest.raises(DataFault, match="Is a directory"):
        predictions.read(tmp_path)


def test_what_was_written_is_read_again(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    rows = [Prediction(id="p", label="ü", prediction="v", scores=[0.1, 0.9]), Prediction(id="q", label=None, prediction="ü", scores=[1, 0])]
    predictions.write(path, rows, Disk())
    got = predictions.read(path, scores=True)
    assert [got.names[number] for number in got.predictions_B] == ["v", "ü"]
    assert got.labels_B.tolist() == [got.names.index("ü"), predictions.UNKNOWN]
    np.testing.assert_allclose(got.scores_BC, [[0.1, 0.9], [1, 0]])


def test_a_written_line_holds_only_what_is_known(tmp_path):
    predictions.write(tmp_path / "a", [Prediction(id="1", label=None, prediction="中", scores=[np.float32(0.1)])], Disk())
    assert (tmp_path / "a").read_text(encoding="utf-8") == '{"id": "1", "prediction": "中", "scores": [0.1]}\n'


def test_many_rows_are_read_and_hashed_in_pieces(tmp_path):
    n = 2 * 65_536 + 3
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id": {row}, "prediction": {row % 3}}}\n' for row in range(n)), encoding="utf-8")
    got = predictions.read(path)
    want = json.dumps(sorted([str(row), str(row % 3)] for row in range(n)), separators=(",", ":"))
    assert predictions.predictions_sha256(got) == hashlib.sha256(want.encode()).hexdigest()
