"""`init`, `check`, `run` as far as they look at recipe and data; `schema`, `doctor`."""

import pytest
from rich.console import Console

from smelt.cli.progress import Progress
from smelt.recipe.load import load

RECIPE = """name: tiny
data:
  kind: files
  path: rows.csv
task:
  kind: classify
model:
  kind: cnn
  dim: 4
  filters: 2
  kernels: [2]
  vocabulary:
    size: 100
train:
  precision: fp32
  threads: 1
"""
LIGHT = "{kind: cnn, dim: 4, filters: 2, kernels: [2], vocabulary: {size: 100}}"
"""In the place of the encoder that `init` proposes, which may not be installed."""


@pytest.fixture
def rows(write_csv):
    """120 rows of two labels."""
    return write_csv("rows.csv", ("text", "label"), *((f"word {number} {number % 7}", "xy"[number % 2]) for number in range(120)))


@pytest.fixture
def recipe(tmp_path, rows):
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "recipe.yaml"


def test_what_looks_like_markup_is_printed_as_it_is(capsys):
    with Progress(Console(highlight=False, width=200)) as progress:
        progress.watcher().stage("data", "recall of '[/x] :bug:' cannot be certified")
    assert "data recall of '[/x] :bug:' cannot be certified" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "check", "train"])
def test_a_recipe_that_is_not_there_is_2(smelt, command):
    done = smelt(command, "none.yaml")
    assert done.code == 2
    assert "none.yaml" in done.err


@pytest.mark.parametrize("command", ["run", "check", "compress"])
def test_a_typo_in_the_recipe_is_2_with_its_place_and_what_was_meant(smelt, recipe, command):
    recipe.write_text(RECIPE.replace("  dim: 4", "  dimm: 4"), encoding="utf-8")
    done = smelt(command, "recipe.yaml")
    assert done.code == 2
    assert "recipe.yaml:9:3" in done.err
    assert "model.dimm: unknown key. Did you mean 'dim'?" in done.err


def test_every_fault_of_a_recipe_is_told_at_once(smelt, recipe):
    recipe.write_text(RECIPE.replace("dim: 4", "dim: four").replace("precision: fp32", "precision: fp8"), encoding="utf-8")
    done = smelt("check", "recipe.yaml")
    assert done.code == 2
    assert done.err.startswith("smelt: recipe.yaml: 2 faults\n")
    assert ("recipe.yaml:9:8" in done.err, "recipe.yaml:15:14" in done.err) == (True, True)


def test_a_fault_of_set_is_2(smelt, recipe):
    done = smelt("check", "recipe.yaml", "--set", "train.epochs=ten")
    assert done.code == 2
    assert "train.epochs" in done.err


def test_data_that_is_not_there_is_4(smelt, recipe, rows):
    rows.unlink()
    done = smelt("check", "recipe.yaml")
    assert done.code == 4
    assert "rows.csv" in done.err


def test_a_column_that_is_not_there_is_4_and_names_those_that_are(smelt, recipe, write_csv):
    write_csv("rows.csv", ("body", "label"), ("a", "x"), ("b", "y"))
    done = smelt("check", "recipe.yaml")
    assert done.code == 4
    assert "body" in done.err


def test_data_is_looked_for_beside_the_recipe(smelt, recipe, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert smelt("check", recipe).code == 0


def test_check_says_what_there_is_and_what_comes_next(smelt, recipe):
    done = smelt("check", "recipe.yaml")
    assert done.code == 0
    assert "train 84, dev 12, confirm 24 rows; 2 labels" in done.out
    assert "next    smelt run recipe.yaml" in done.out


def test_check_leaves_nothing_in_the_folder(smelt, recipe, tmp_path):
    smelt("check", "recipe.yaml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "rows.csv"]


def test_check_json_is_one_document(smelt, recipe):
    done = smelt("check", "recipe.yaml", "--json", "--set", "train.epochs=3")
    assert (done.code, done.document["rows"]) == (0, {"train": 84, "dev": 12, "confirm": 24})
    assert done.document["estimate"]["epochs"] == 3


def test_a_run_folder_that_is_a_file_is_2(smelt, recipe, rows):
    done = smelt("run", "recipe.yaml", "--out", rows)
    assert done.code == 2
    assert "is a file, want a folder" in done.err


def test_init_writes_a_recipe_that_check_accepts(smelt, rows):
    done = smelt("init", "project", "--data", "rows.csv")
    assert (done.code, done.err) == (0, "")
    assert "smelt check project/recipe.yaml" in done.out.replace("\\", "/")
    assert smelt("check", "project/recipe.yaml", "--set", f"model={LIGHT}").code == 0


def test_init_finds_the_columns_by_what_is_in_them(smelt, write_csv, tmp_path):
    write_csv("rows.csv", ("number", "review", "stars"), *((row, f"a review, the {row}th", f"s{row % 3}") for row in range(90)))
    assert smelt("init", ".", "--data", "rows.csv").code == 0
    data = load(tmp_path / "recipe.yaml").data
    assert (data.text, data.label) == ("review", "stars")


def test_init_takes_the_columns_it_is_told(smelt, write_csv, tmp_path):
    write_csv("rows.csv", ("text", "title", "label"), *((f"long text {row}", f"title {row}", "xy"[row % 2]) for row in range(60)))
    assert smelt("init", ".", "--data", "rows.csv", "--text", "title", "--label", "label").code == 0
    assert load(tmp_path / "recipe.yaml").data.text == "title"


def test_init_does_not_overwrite_a_recipe(smelt, recipe):
    before = recipe.read_bytes()
    done = smelt("init", ".", "--data", "rows.csv")
    assert done.code == 2
    assert "is not overwritten" in done.err
    assert recipe.read_bytes() == before


def test_init_of_a_file_in_the_place_of_the_folder_is_2(smelt, rows):
    assert smelt("init", "rows.csv", "--data", "rows.csv").code == 2


def test_init_without_data_is_4_and_writes_nothing(smelt, tmp_path):
    done = smelt("init", "project", "--data", "none.csv")
    assert done.code == 4
    assert not (tmp_path / "project").exists()


def test_schema_is_one_json_document_that_names_the_sections(smelt):
    done = smelt("schema")
    assert (done.code, done.err) == (0, "")
    assert {"data", "task", "model", "train", "compress", "verify"} <= set(done.document["properties"])


def test_the_reference_recipe_is_a_recipe(smelt, tmp_path):
    done = smelt("schema", "--reference")
    (tmp_path / "reference.yaml").write_text(done.out, encoding="utf-8")
    assert load(tmp_path / "reference.yaml").task.kind == "classify"


def test_doctor_json_is_one_document(smelt, tmp_path):
    done = smelt("doctor", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["cores"] >= 1
    assert done.document["state_folder"] == str(tmp_path / "state")
    assert set(done.document["extras"]) == {"serve", "train", "hub", "track"}


def test_doctor_says_the_same_to_people(smelt):
    facts, done = smelt("doctor", "--json").document, smelt("doctor")
    assert done.code == 0
    assert facts["isa"] in done.out
    assert facts["python"] in done.out


@pytest.mark.parametrize("words", [(), ("--model", "m"), ("--data", "rows.csv"), ("recipe.yaml", "--model", "m", "--data", "rows.csv")])
def test_compress_wants_a_recipe_or_a_model_and_data(smelt, words):
    done = smelt("compress", *words)
    assert done.code == 2
    assert "compress wants a RECIPE, or --model and --data" in done.err


def test_compress_names_a_model_folder_that_is_not_there(smelt, rows):
    done = smelt("compress", "--model", "none", "--data", rows)
    assert done.code == 4
    assert "none: no such folder" in done.err


def test_compress_takes_a_label_column_or_none(smelt, rows):
    done = smelt("compress", "--model", ".", "--data", rows, "--unlabeled", "--label", "label")
    assert done.code == 2
    assert "--label and --unlabeled exclude each other" in done.err


def test_check_names_a_missing_file_of_texts_without_labels(smelt, recipe):
    done = smelt("check", "recipe.yaml", "--set", "compress.transfer.path=more.csv")
    assert done.code == 4
    assert "more.csv: no such file" in done.err
