"""The whole job on a hundred lines of made-up text: recipe in, certified bundle and report out."""

import json
import math
import random
from dataclasses import fields
from pathlib import Path

import pytest

import smelt
from smelt.cli.main import main
from smelt.types import Candidate, Verdict

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]

WORDS = {"fruit": "apple pear plum grape", "metal": "iron zinc tin lead", "bird": "crow hawk wren gull"}
RECIPE = """
name: tiny
data: {kind: files, path: rows.csv, splits: {dev: 0.2, confirm: 0.5}}
task: {kind: classify}
model: {kind: cnn, dim: 16, filters: 8, kernels: [1, 2], dropout: 0.0, max_tokens: 16, vocabulary: {size: 200}}
train: {epochs: 10, precision: fp32, threads: 1, batch_examples: 8}
compress: {students: [], formats: [onnxruntime-fp32]}
verify: {margin_points: 3.0, bench_rounds: 1}
"""


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    draw = random.Random(0)
    rows = [
        (" ".join(draw.choices(words.split(), k=draw.randint(3, 7))) + f" {number}", label)
        for number in range(140)
        for label, words in WORDS.items()
    ]
    (folder / "rows.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMELT_STATE", str(folder / "state"))
        result = smelt.run(write_project(folder), folder / "run")
    return result.run


def read(run: Path, name: str):
    return json.loads((run / name).read_text(encoding="utf-8"))


def test_every_file_of_the_contract_is_there(run: Path):
    wanted = ["run.json", "train/model/model.safetensors", "predictions/reference.jsonl", "frontier.json", "verify/verdict.json"]
    wanted += ["export/bundle/manifest.json", "export/bundle/README.md", "export/reference/manifest.json", "report.html"]
    assert [name for name in wanted if not (run / name).is_file()] == []


def test_frontier_and_verdict_have_the_fields_of_the_contract(run: Path):
    candidates = read(run, "frontier.json")["candidates"]
    assert all(set(candidate) == {field.name for field in fields(Candidate)} for candidate in candidates)
    assert {candidate["name"] for candidate in candidates} == {"reference", "floor", "reference-onnxruntime-fp32"}
    assert set(read(run, "verify/verdict.json")) == {field.name for field in fields(Verdict)}


def test_the_certificate_can_be_recomputed_from_the_predictions(run: Path):
    verdict = read(run, "verify/verdict.json")
    reference, candidate = (
        [json.loads(line) for line in (run / "predictions" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("reference", verdict["candidate"])
    )
    lost = sum(a["prediction"] == a["label"] != b["prediction"] for a, b in zip(reference, candidate, strict=True))
    won = sum(b["prediction"] == b["label"] != a["prediction"] for a, b in zip(reference, candidate, strict=True))
    assert (verdict["certified"], verdict["n"], verdict["lost"], verdict["won"]) == (True, len(reference), lost, won)
    # Tango's bound without a changed answer: z^2 / (n + z^2).
    assert lost + won > 0 or verdict["upper_points"] == pytest.approx(100 * 1.6448536**2 / (len(reference) + 1.6448536**2), abs=1e-6)
    assert math.isclose(verdict["drop_points"], 100 * (lost - won) / len(reference), abs_tol=1e-9)


def test_the_bundle_answers_as_the_run_said(run: Path):
    bundle = smelt.load(run / "export" / "bundle")
    said = {
        row["id"]: row["prediction"]
        for row in map(json.loads, (run / "predictions" / "reference-onnxruntime-fp32.jsonl").read_text().splitlines())
    }
    assert bundle.manifest.certified
    assert bundle.predict(["apple plum pear grape apple 1", "iron zinc tin lead iron 2"]) == ["fruit", "metal"]
    assert set(said.values()) <= set(bundle.labels)


def test_a_second_run_does_nothing_again(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMELT_STATE", str(run.parent / "state"))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")}
    smelt.run(run.parent / "recipe.yaml", run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")} == before


def test_what_cannot_be_certified_ends_with_3_and_no_bundle(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("SMELT_STATE", str(run.parent / "state"))
    code = main(["run", str(run.parent / "recipe.yaml"), "--out", str(run), "--set", "verify.margin_points=0.1"])
    assert code == 3
    assert "Not certified" in capsys.readouterr().out
    assert not (run / "export" / "bundle").exists()
    assert (run / "export" / "reference" / "manifest.json").is_file()
    assert not any(candidate["chosen"] for candidate in read(run, "frontier.json")["candidates"])


def test_limits_that_no_candidate_keeps_end_with_3_and_the_nearest_miss(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SMELT_STATE", str(run.parent / "state"))
    code = main(["run", str(run.parent / "recipe.yaml"), "--out", str(run), "--set", "compress.limits.size_bytes=10.0"])
    assert code == 3
    assert "No candidate keeps compress.limits; `reference-onnxruntime-fp32` comes nearest: size_bytes is" in capsys.readouterr().out
    assert "left out: size_bytes is" in next(
        one["why"] for one in read(run, "frontier.json")["candidates"] if one["name"].startswith("reference-")
    )
