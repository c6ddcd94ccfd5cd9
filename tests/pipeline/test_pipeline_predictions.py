"""The reference is a file of answers: an encoder learns them, its formats and students compete against the file."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import smelt
from smelt.cli.main import main
from smelt.errors import DataFault
from tests.pipeline.test_pipeline_whole_run import write_project

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]

RECIPE = """
name: answered
data: {kind: files, path: rows.csv, splits: {dev: 0.2, confirm: 0.5}}
task: {kind: classify}
model:
  kind: predictions
  path: answers.csv
  encoder:
    {kind: transformer-scratch, layers: 2, dim: 32, heads: 2, feed_forward: 64, dropout: 0.0, max_tokens: 16, vocabulary: {size: 200}}
train: {epochs: 20, patience: 20, precision: fp32, threads: 1, batch_examples: 8, optimizer: {kind: adamw, learning_rate: 3.0e-3}}
compress: {students: [{kind: depth, layers: 1, epochs: 1}], formats: [onnxruntime-fp32], finalist_seeds: 0}
verify: {margin_points: 5.0, bench_rounds: 1}
"""
WRONG = 7
"""Every n-th answer of the file is wrong."""


def write_answers(folder: Path, name: str = "answers.csv") -> None:
    with (folder / "rows.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "prediction"])
        writer.writerows([row["text"], "I cannot tell" if number % WRONG == 0 else row["label"]] for number, row in enumerate(rows))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMELT_STATE", str(folder / "state"))
        path = write_project(folder, RECIPE)
        write_answers(folder)
        smelt.run(path, folder / "run")
    return folder / "run"


def read(run: Path, name: str):
    return json.loads((run / name).read_text(encoding="utf-8"))


def test_the_answers_of_the_file_are_the_reference(run: Path):
    with (run.parent / "answers.csv").open(encoding="utf-8", newline="") as stream:
        given = [row["prediction"] for row in csv.DictReader(stream)]
    rows = [json.loads(line) for line in (run / "predictions" / "reference.jsonl").read_text().splitlines()]
    assert len(rows) == 210
    assert [row["prediction"] for row in rows] == [given[int(row["id"].removeprefix("rows-")) - 1] for row in rows]


def test_an_answer_that_is_no_label_counts_as_wrong(run: Path):
    rows = [json.loads(line) for line in (run / "predictions" / "reference.jsonl").read_text().splitlines()]
    wrong = sum(row["prediction"] == "I cannot tell" for row in rows)
    assert 0 < wrong < 60
    assert read(run, "verify/verdict.json")["reference_score"] == pytest.approx(1 - wrong / len(rows))


def test_the_encoder_and_its_students_compete_and_the_file_is_not_timed(run: Path):
    candidates = {one["name"]: one for one in read(run, "frontier.json")["candidates"]}
    # Whether a cascade of the two would save anything is the clock's to say.
    assert set(candidates) - {"depth1-cascade"} == {"reference", "floor", "encoder-onnxruntime-fp32", "depth1-onnxruntime-fp32"}
    assert candidates["reference"]["latency_ms_p50"] is None
    assert candidates["reference"]["runtime"] == "predictions"
    assert candidates["encoder-onnxruntime-fp32"]["latency_ms_p50"] > 0


def test_it_is_certified_and_ships(run: Path):
    assert read(run, "verify/verdict.json")["certified"]
    assert smelt.load(run / "export" / "bundle").predict(["apple plum pear grape apple 1"]) == ["fruit"]
    assert read(run, "export/reference/manifest.json")["name"] == "encoder"
    assert "file of answers" in (run / "report.html").read_text(encoding="utf-8")


def test_check_names_rows_without_an_answer(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write_project(tmp_path, RECIPE)
    (tmp_path / "answers.csv").write_text("text,prediction\napple 1,fruit\n", encoding="utf-8")
    assert main(["check", str(path)]) == 4
    assert "rows of dev have no answer" in capsys.readouterr().err


def test_predictions_by_id_take_a_predictions_file(run: Path, tmp_path: Path):
    from smelt.data.answers import read_answers
    from smelt.data.dataset import open_dataset
    from smelt.recipe.model import PredictionsModel

    dataset = open_dataset(run / "data")
    lines = [{"id": one, "prediction": "fruit"} for one in [*dataset.dev.ids, *dataset.confirm.ids]]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = read_answers(PredictionsModel(path=str(tmp_path / "old.jsonl"), match="id"), dataset)
    assert set(found.answers["confirm"]) == {"fruit"}
    assert found.known == 0


def test_two_answers_to_one_text_are_refused(run: Path, tmp_path: Path):
    from smelt.data.answers import read_answers
    from smelt.data.dataset import open_dataset
    from smelt.recipe.model import PredictionsModel

    (tmp_path / "a.csv").write_text("text,prediction\nx,fruit\ny,bird\nx,metal\n", encoding="utf-8")
    with pytest.raises(DataFault, match=r"a\.csv:4: a second, different answer to 'x'"):
        read_answers(PredictionsModel(path=str(tmp_path / "a.csv")), open_dataset(run / "data"))


def test_a_missing_column_names_those_there_are(run: Path, tmp_path: Path):
    from smelt.data.answers import read_answers
    from smelt.data.dataset import open_dataset
    from smelt.recipe.model import PredictionsModel

    (tmp_path / "a.csv").write_text("text,Prediction\nx,fruit\n", encoding="utf-8")
    with pytest.raises(DataFault, match=r"no column 'prediction'.*Did you mean 'Prediction'"):
        read_answers(PredictionsModel(path=str(tmp_path / "a.csv")), open_dataset(run / "data"))


def test_a_fine_tuned_folder_is_compressed_without_a_recipe(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    shutil.copytree(run / "train" / "model", tmp_path / "mine", ignore=shutil.ignore_patterns("codec.json", "labels.json"))
    data = tmp_path / "rows.csv"
    shutil.copy(run.parent / "rows.csv", data)
    settings = ["compress.students=[]", "compress.formats=[onnxruntime-fp32]", "verify.margin_points=5", "verify.bench_rounds=1"]
    options = [word for setting in settings for word in ("--set", setting)]
    assert main(["compress", "--model", str(tmp_path / "mine"), "--data", str(data), "--out", str(tmp_path / "out"), *options]) == 0
    assert smelt.load(tmp_path / "out" / "export" / "bundle").predict(["apple plum pear grape apple 1"]) == ["fruit"]
    recipe = (tmp_path / "out" / "recipe.yaml").read_text(encoding="utf-8")
    assert "\ntrain:" not in recipe
    reads = json.loads((tmp_path / "mine" / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
    assert f"max_tokens: {reads} " in recipe


def test_a_fine_tuned_folder_is_compressed_without_labels(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    texts = [line.rpartition(",")[0] for line in (run.parent / "rows.csv").read_text(encoding="utf-8").splitlines()]
    data, out = tmp_path / "texts.csv", tmp_path / "out"
    data.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    settings = ["compress.students=[]", "compress.formats=[onnxruntime-fp32]", "verify.margin_points=3", "verify.bench_rounds=1"]
    settings += ["data.splits.confirm=0.5"]
    options = [word for setting in settings for word in ("--set", setting)]
    assert main(["compress", "--model", str(run / "train" / "model"), "--data", str(data), "--unlabeled", "--out", str(out), *options]) == 0
    verdict = read(out, "verify/verdict.json")
    assert (verdict["certified"], verdict["lost"], verdict["reference_score"]) == (True, None, None)
    assert verdict["upper_points"] == pytest.approx(100 * (1 - 0.05 ** (1 / verdict["n"])), abs=1e-6)  # Clopper-Pearson without a change
    assert "without labels" in verdict["sentence"]
    assert (out / "report.html").is_file()
