"""A whole run with all that may be asked beside accuracy: groups, windows over long documents, requirements."""

import json
import random
import re

import pytest

import smelt
from smelt.cli.main import main
from tests.pipeline.test_pipeline_whole_run import WORDS

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]
RECIPE = """
name: careful
data: {{kind: files, path: rows.jsonl, group: who, splits: {{dev: 0.2, confirm: 0.5}}}}
task: {{kind: classify, windows: {{most: 3}}}}
model: {{kind: transformer-scratch, layers: 1, dim: 16, heads: 2, feed_forward: 32, dropout: 0.0, max_tokens: 8, vocabulary: {{size: 200}}}}
train: {{epochs: 6, precision: fp32, threads: 1, optimizer: {{kind: adamw, learning_rate: 0.01}}}}
compress: {{students: [], formats: [onnxruntime-fp32]}}
verify:
  margin_points: 3.0
  bench_rounds: 1
  also: {also}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the recipe on documents of up to twenty words, a few of each of 120 people."""
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMELT_LANG", "en")
    draw = random.Random(0)
    rows = [
        {"text": " ".join(draw.choices(words.split(), k=draw.randint(3, 20))) + f" {number}", "label": label, "who": number % 120}
        for number in range(360)
        for label, words in WORDS.items()
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def go(also):
        (tmp_path / "recipe.yaml").write_text(RECIPE.format(also=json.dumps(also)), encoding="utf-8")
        return smelt.run(tmp_path / "recipe.yaml", tmp_path / "run")

    go.folder = tmp_path
    return go


def test_what_is_kept_is_certified_shipped_and_told(run):
    also = [
        {"kind": "recall", "margin_points": 9.0},
        {"kind": "macro_f1"},
        {"kind": "auroc"},
        {"kind": "cost", "costs": {"bird": {"metal": 5}}},
    ]
    result = run(also)
    verdict = json.loads((result.run / "verify" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["certified"]
    assert [one["kind"] for one in verdict["requirements"]] == ["recall"] * 3 + ["macro_f1", "auroc", "cost"]
    assert "groups: a cluster-robust t-test" in verdict["method"]
    assert "What else must not be lost" in (result.run / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((result.bundle / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["windows"] == {"tokens": 8, "stride": 4, "pool": "mean"}
    assert main(["predict", str(result.bundle), str(run.folder / "rows.jsonl"), "-o", str(run.folder / "out.csv")]) == 0
    line = json.loads((result.run / "predictions" / "reference.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert "group" in line


def test_what_confirm_cannot_certify_takes_the_certificate_and_is_named(run, capsys):
    assert main(["run", str(run.folder / "missing.yaml")]) == 2
    result = run([{"kind": "recall", "label": "bird", "margin_points": 0.5}])
    verdict = json.loads((result.run / "verify" / "verdict.json").read_text(encoding="utf-8"))
    assert not verdict["certified"]
    assert verdict["p_value"] <= 0.05
    assert "recall of 'bird'" in verdict["sentence"]
    entries = json.loads((result.run / "frontier.json").read_text(encoding="utf-8"))["candidates"]
    assert any("did not keep recall of 'bird'" in entry["why"] for entry in entries)
    assert not any(entry["chosen"] for entry in entries)


def test_other_windows_make_another_reference(run, capsys):
    recipe, out = run.folder / "recipe.yaml", str(run.folder / "run")
    recipe.write_text(RECIPE.format(also="[]"), encoding="utf-8")
    settings = lambda: json.loads((run.folder / "run" / "train" / "model" / "codec.json").read_text(encoding="utf-8"))  # noqa: E731
    assert main(["train", str(recipe), "--out", out]) == 0
    longest = settings()["encoder"]["max_tokens"]
    assert "confirm has" not in capsys.readouterr().out
    assert main(["train", str(recipe), "--out", out, "--set", "task.windows.most=2", "--set", "verify.margin_points=1"]) == 0
    assert settings()["encoder"]["max_tokens"] < longest
    assert re.search(r"warning: confirm has 5\d\d rows: they certify 2\.1\d points where 4%", capsys.readouterr().out)


def test_a_verdict_alone_names_no_bundle_and_no_report(run, capsys):
    recipe = run.folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(also="[]"), encoding="utf-8")
    assert main(["verify", str(recipe), "--out", str(run.folder / "run")]) in (0, 3)
    said = capsys.readouterr().out
    assert "verdict.json" in said
    assert "smelt predict" not in said
    assert "report.html" not in said


def test_a_class_that_does_not_exist_ends_the_run_before_training(run):
    with pytest.raises(smelt.errors.UsageFault, match="'fish'"):
        run([{"kind": "recall", "label": "fish"}])
    assert not (run.folder / "run" / "train").exists()
