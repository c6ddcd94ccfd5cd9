import hashlib
import json
from pathlib import Path

import pytest

from smelt.errors import DataFault
from smelt.verify import predictions
from smelt.verify.pairs import align, data_sha256


@pytest.fixture
def read(tmp_path):
    def write_and_read(name, *rows):
        path: Path = tmp_path / name
        fields = ("id", "label", "prediction")
        lines = (json.dumps({key: value for key, value in zip(fields, row, strict=True) if value is not None}) for row in rows)
        path.write_text("\n".join(lines), encoding="utf-8")
        return predictions.read(path)

    return write_and_read


def test_the_order_of_the_files_does_not_matter(read):
    paired = align(read("a", (1, "x", "x"), (2, "y", "z")), read("b", (2, "y", "y"), (1, "x", "w")))
    assert paired.names == ("w", "x", "y", "z")
    named = [[paired.names[number] for number in numbers] for numbers in (paired.labels_B, paired.reference_B, paired.candidate_B)]
    assert named == [["x", "y"], ["x", "z"], ["w", "y"]]


def test_a_label_may_stand_in_one_file_only(read):
    paired = align(read("a", (1, None, "x"), (2, "y", "y"), (3, None, "x")), read("b", (1, "x", "x"), (2, None, "x"), (3, None, "x")))
    assert [paired.names[number] if number >= 0 else None for number in paired.labels_B] == ["x", "y", None]


def test_ids_that_differ_are_shown_five_of_each(read):
    ours = [(f"m{row}", "x", "x") for row in range(7)]
    theirs = [("e0", "x", "x")]
    with pytest.raises(DataFault) as caught:
        align(read("a", *ours), read("b", *theirs))
    message = str(caught.value)
    assert "7 not in" in message
    assert "'m0', 'm1', 'm2', 'm3', 'm4', …" in message
    assert "1 not in" in message
    assert "'e0'\n" in message
    assert caught.value.exit_code == 4


def test_labels_that_differ_are_shown_with_their_ids(read):
    with pytest.raises(DataFault, match="different labels for 1 examples: id '2': 'y' and 'x'"):
        align(read("a", (1, "x", "x"), (2, "y", "y")), read("b", (1, "x", "x"), (2, "x", "y")))


def test_the_hash_is_that_of_the_sorted_json_pairs(read):
    paired = align(read("a", (2, "ü", "x"), (10, None, "x")), read("b", (10, None, "x"), (2, "ü", "x")))
    want = json.dumps([["10", None], ["2", "ü"]], ensure_ascii=False, separators=(",", ":")).encode()
    assert data_sha256(paired) == hashlib.sha256(want).hexdigest()


def test_the_hash_depends_on_labels_and_not_on_answers(read):
    one, two, three = read("a", (1, "x", "x")), read("b", (1, "x", "y")), read("c", (1, "y", "x"))
    assert data_sha256(align(one, one)) == data_sha256(align(one, two)) != data_sha256(align(three, three))
