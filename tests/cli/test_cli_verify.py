"""`smelt verify` of two predictions files."""

import json

import pytest

from smelt.types import Verdict

# Of 800 examples the reference has 700 right; the candidate loses 2 of them and wins 3.
CLOSE = {"lost": range(2), "won": range(700, 703)}
FAR = {"lost": range(80), "won": range(0)}


@pytest.fixture
def answers(tmp_path):
    """Writes a predictions file."""

    def write(name, wrong, *, count=800, label="a", ids="{}"):
        lines = []
        for number in range(count):
            row = {"id": ids.format(number), "label": label, "prediction": "b" if wrong(number) else "a"}
            lines.append(json.dumps({key: value for key, value in row.items() if value is not None}))
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    return write


@pytest.fixture
def judge(smelt, answers):
    """Judges a candidate that loses and wins some examples."""

    def run(*options, lost, won, **settings):
        answers("a.jsonl", lambda number: number >= 700, **{key: value for key, value in settings.items() if key == "label"})
        answers("b.jsonl", lambda number: number in lost or (number >= 700 and number not in won), **settings)
        return smelt("verify", "--reference", "a.jsonl", "--candidate", "b.jsonl", *options)

    return run


def test_certified_is_0(judge):
    done = judge("--margin", "2", **CLOSE)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Certified")


def test_not_certified_is_3(judge):
    done = judge("--margin", "2", **FAR)
    assert (done.code, done.err) == (3, "")
    assert done.out.startswith("Not certified")


def test_the_margin_decides(judge):
    assert [judge("--margin", margin, **FAR).code for margin in (2, 20)] == [3, 0]


def test_the_confidence_decides(judge):
    codes = [judge("--margin", "0.4", "--confidence", confidence, **CLOSE).code for confidence in (0.55, 0.99)]
    assert codes == [0, 3]


@pytest.mark.parametrize(("counts", "code"), [(CLOSE, 0), (FAR, 3)], ids=["certified", "not certified"])
def test_json_is_one_document_with_every_field_of_a_verdict(judge, counts, code):
    done = judge("--margin", "2", "--json", **counts)
    assert (done.code, done.err) == (code, "")
    assert list(done.document) == list(Verdict.__dataclass_fields__)
    assert (done.document["lost"], done.document["won"]) == (len(counts["lost"]), len(counts["won"]))
    assert (done.document["n"], done.document["reference_score"]) == (800, 0.875)


def test_ids_that_differ_are_4(judge):
    done = judge(**CLOSE, ids="x{}")
    assert (done.code, done.out) == (4, "")


def test_a_missing_row_is_4(judge):
    assert judge(**CLOSE, count=799).code == 4


def test_labels_that_differ_are_4(answers, smelt):
    answers("a.jsonl", lambda _number: False)
    answers("b.jsonl", lambda _number: False, label="b")
    assert smelt("verify", "--reference", "a.jsonl", "--candidate", "b.jsonl").code == 4


def test_without_labels_it_is_4_and_the_step_names_unlabeled(judge):
    done = judge(**CLOSE, label=None)
    assert done.code == 4
    assert "--unlabeled" in done.err


def test_without_labels_agreement_decides(judge):
    done = judge("--unlabeled", "--json", "--margin", "2", **CLOSE, label=None)
    assert (done.code, done.document["reference_score"], done.document["agreement"]) == (0, None, 795 / 800)


def test_a_file_that_is_not_there_is_4(answers, smelt):
    answers("a.jsonl", lambda _number: False)
    done = smelt("verify", "--reference", "a.jsonl", "--candidate", "none.jsonl")
    assert done.code == 4
    assert "none.jsonl" in done.err


def test_a_line_that_is_no_prediction_is_4_with_its_number(answers, smelt, tmp_path):
    answers("a.jsonl", lambda _number: False, count=3)
    (tmp_path / "b.jsonl").write_text('{"id": "0", "prediction": "a"}\nnot json\n', encoding="utf-8")
    done = smelt("verify", "--reference", "a.jsonl", "--candidate", "b.jsonl")
    assert done.code == 4
    assert "b.jsonl:2" in done.err


@pytest.mark.parametrize("options", [("--margin", "0"), ("--margin", "-1"), ("--confidence", "1"), ("--confidence", "95")])
def test_a_margin_or_confidence_out_of_range_is_2(judge, options):
    assert judge(*options, **CLOSE).code == 2


@pytest.mark.parametrize(
    "arguments", [(), ("--reference", "a.jsonl"), ("--candidate", "b.jsonl"), ("recipe.yaml", "--reference", "a.jsonl")], ids=" ".join
)
def test_half_a_question_is_2(smelt, arguments):
    assert smelt("verify", *arguments).code == 2


@pytest.mark.parametrize("counts", [CLOSE, FAR], ids=["certified", "not certified"])
def test_a_verdict_in_chinese_is_the_same_verdict(judge, monkeypatch, counts):
    english = judge("--json", **counts)
    monkeypatch.setenv("SMELT_LANG", "zh")
    chinese = judge("--json", **counts)
    assert chinese.code == english.code
    differing = {name for name in english.document if english.document[name] != chinese.document[name]}
    assert differing <= {"sentence", "method"}
