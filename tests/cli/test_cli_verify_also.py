"""`smelt verify --also`: further requirements from the command line."""

import json

import pytest

from smelt.cli.main import main
from smelt.cli.verify import requirement
from smelt.errors import UsageFault
from smelt.recipe.verify import Auroc, MacroF1, Recall


@pytest.fixture
def files(tmp_path):
    rows = [{"id": number, "label": "ab"[number % 2], "prediction": "ab"[number % 2]} for number in range(800)]
    worse = [row | ({"prediction": "a"} if row["id"] % 40 == 1 else {}) for row in rows]
    for name, lines in (("reference", rows), ("candidate", worse)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return ["--reference", str(tmp_path / "reference.jsonl"), "--candidate", str(tmp_path / "candidate.jsonl"), "--margin", "5"]


def test_what_is_broken_is_told_and_ends_with_3(files, capsys, monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")
    assert main(["verify", *files]) == 0
    assert main(["verify", *files, "--also", "recall:b=2.0"]) == 3
    assert "recall of 'b' may fall by" in capsys.readouterr().out


def test_what_is_kept_stands_in_the_json(files, capsys):
    assert main(["verify", *files, "--also", "macro_f1=9", "--also", "recall=12", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["requirements"]
    assert [(one["kind"], one["label"], one["level"]) for one in found] == [
        ("macro_f1", None, "estimate"), ("recall", "a", "certificate"), ("recall", "b", "certificate")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("macro_f1=1.5", MacroF1(margin_points=1.5)),
        ("auroc=1", Auroc()),
        ("recall:a=b=2", Recall(label="a=b")),
        ("recall=3", Recall(margin_points=3.0)),
    ],
)
def test_requirements_are_read(text, want):
    assert requirement(text) == want


@pytest.mark.parametrize("text", ["f1=1", "macro_f1", "macro_f1=", "recall=x", "recall=0", "auroc=200", "=1", "cost=1", "macro_f1:a=1"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(UsageFault, match="--also"):
        requirement(text)
