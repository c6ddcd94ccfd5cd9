"""Language tasks from end to end on made-up text: what comes out is what another recipe begins with."""

import json
import random

import numpy as np
import pytest
from safetensors.torch import load_file

from smelt.cli.main import main
from smelt.errors import RecipeFaults
from smelt.models.build import load_model
from smelt.recipe.load import load
from smelt.verify.perplexity import read_guesses

WORDS = ["red apple", "blue plum", "green pear", "old iron", "new zinc", "grey lead"]
MASKED = """
name: masked
data: {kind: files, path: texts.jsonl, splits: {dev: 0.2, confirm: 0.2}}
task: {kind: masked_language}
model: {kind: transformer-scratch, layers: 1, dim: 16, heads: 2, feed_forward: 16, dropout: 0.0, max_tokens: 16, vocabulary: {size: 120}}
train: {epochs: 4, precision: fp32, threads: 1, batch_tokens: 128, patience: 9}
"""
CAUSAL = (
    MASKED.replace("name: masked", "name: causal")
    .replace("masked_language", "causal_language")
    .replace("layers: 1", "architecture: llama, layers: 2")
    .replace("{size: 120}", "{method: byte_bpe, size: 300}")
)


def write_project(folder, recipe):
    draw = random.Random(0)
    lines = [json.dumps({"text": " ".join(draw.choices(WORDS, k=draw.randint(2, 9))) + f" {number}"}) for number in range(300)]
    (folder / "texts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["masked", "causal"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    path = write_project(folder, MASKED if request.param == "masked" else CAUSAL)
    assert main(["run", str(path), "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_the_run_leaves_weights_and_a_perplexity_with_its_unit(run):
    facts = read(run / "verify" / "perplexity.json")
    own = read_guesses(run / "verify" / "reference.jsonl")
    assert facts["documents"] == len(own.ids) == 60
    assert facts["perplexity_per_token"] == pytest.approx(np.exp(own.nats_N.sum() / own.tokens_N.sum()), rel=1e-4)
    causal = run.parent.name.startswith("causal")
    assert ("bits_per_byte" in facts) == causal
    if causal:
        assert facts["bits_per_byte"] == pytest.approx(own.nats_N.sum() / own.bytes_N.sum() / np.log(2), rel=1e-4)
    assert facts["start"] is None
    epochs = [line for line in map(json.loads, (run / "train" / "log.jsonl").read_text().splitlines()) if line["event"] == "epoch"]
    assert epochs[-1]["dev_loss"] < epochs[0]["dev_loss"]
    assert epochs[-1]["mfu"] > 0


def test_two_processes_log_what_one_does(run, tmp_path):
    path = write_project(tmp_path, (run.parent / "recipe.yaml").read_text() + "parallel: {replicate: 2}\n")
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 0
    losses = [
        [line["loss"] for line in map(json.loads, (one / "train" / "log.jsonl").read_text().splitlines()) if line["event"] == "step"]
        for one in (run, tmp_path / "run")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_report_tells_the_perplexity_and_loads_nothing(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    facts = read(run / "verify" / "perplexity.json")
    assert f"{facts['perplexity_per_token']:.3f}" in page
    assert page.count("<svg") == 2
    assert "Loss on dev, nats per token" in page
    assert "<script" not in page
    assert main(["report", str(run)]) == 0


def test_bf16_learns_about_the_same(run, tmp_path):
    recipe = (run.parent / "recipe.yaml").read_text().replace("precision: fp32", "precision: bf16")
    assert main(["run", str(write_project(tmp_path, recipe)), "--out", str(tmp_path / "run")]) == 0
    fp32, bf16 = (read(one / "verify" / "perplexity.json")["nats_per_token"] for one in (run, tmp_path / "run"))
    assert bf16 == pytest.approx(fp32, abs=0.1)


def test_a_second_run_does_nothing_again(run, capsys):
    before = (run / "train" / "manifest.json").stat().st_mtime_ns
    assert main(["run", str(run.parent / "recipe.yaml"), "--out", str(run)]) == 0
    assert "Perplexity" in capsys.readouterr().out
    assert (run / "train" / "manifest.json").stat().st_mtime_ns == before


def test_the_weights_are_continued_and_the_gain_has_an_interval(run, tmp_path):
    kind = "{kind: transformer, max_tokens: 16, weights: " + str(run / "train" / "model") + "}"
    recipe = (run.parent / "recipe.yaml").read_text()
    begin = recipe.index("model: ")
    path = write_project(tmp_path, recipe[:begin] + f"model: {kind}\n" + recipe[recipe.index("train: ") :])
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 0
    start = read(tmp_path / "run" / "verify" / "perplexity.json")["start"]
    assert start["reference"] == pytest.approx(np.log(read(run / "verify" / "perplexity.json")["perplexity_per_token"]), rel=1e-4)
    assert start["upper"] < 0
    assert (tmp_path / "run" / "verify" / "start.jsonl").is_file()


def test_adapters_learn_beside_the_weights_and_leave_a_plain_folder(run, tmp_path):
    kind = "{kind: transformer, max_tokens: 16, weights: " + str(run / "train" / "model") + "}"
    recipe = (run.parent / "recipe.yaml").read_text()
    begin = recipe.index("model: ")
    train = recipe[recipe.index("train: ") :].replace("train: {", "train: {adapter: {kind: lora, rank: 4}, ")
    losses = []
    for name, spread in (("one", ""), ("two", "parallel: {replicate: 2}\n")):
        (tmp_path / name).mkdir()
        path = write_project(tmp_path / name, recipe[:begin] + f"model: {kind}\n" + train + spread)
        assert main(["run", str(path), "--out", str(tmp_path / name / "run")]) == 0
        lines = map(json.loads, (tmp_path / name / "run" / "train" / "log.jsonl").read_text().splitlines())
        losses.append([line["loss"] for line in lines if line["event"] == "step"])
        start = read(tmp_path / name / "run" / "verify" / "perplexity.json")["start"]
        assert start["difference"] < 0
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    before, after = (load_file(one / "train" / "model" / "model.safetensors") for one in (run, tmp_path / "one" / "run"))
    assert before.keys() == after.keys()
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed
    assert all("layer" in name and "norm" not in name.lower() for name in changed)


def test_a_classifier_begins_with_the_encoder(tmp_path):
    path = write_project(tmp_path, MASKED)
    assert main(["train", str(path), "--out", str(tmp_path / "language")]) == 0
    draw = random.Random(1)
    rows = [f"{draw.choice(WORDS[:3] if label else WORDS[3:])} {number},{label}" for number in range(100) for label in (0, 1)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (tmp_path / "classify.yaml").write_text(
        "data: {kind: files, path: rows.csv, splits: {dev: 0.2, confirm: 0.4}}\ntask: {kind: classify}\n"
        "model: {kind: transformer, weights: language/train/model, max_tokens: 16}\ntrain: {epochs: 1, precision: fp32, threads: 1}\n"
    )
    assert main(["train", str(tmp_path / "classify.yaml"), "--out", str(tmp_path / "run")]) == 0
    before = load_model(tmp_path / "run" / "train" / "model").network.embedding.weight
    after = load_file(tmp_path / "language" / "train" / "model" / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    assert (before == after).all()  # frozen, so what the language model learned


def test_check_says_how_many_tokens_there_are(tmp_path, capsys):
    path = write_project(tmp_path, MASKED)
    assert main(["check", str(path)]) == 0
    told = capsys.readouterr().out
    assert "documents" in told
    assert "tokens/s" in told
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["confirm"] == 60


def test_init_writes_a_recipe_for_text_without_labels(tmp_path, capsys):
    write_project(tmp_path, MASKED)
    data = ["--data", str(tmp_path / "texts.jsonl")]
    assert main(["init", str(tmp_path / "mine"), *data, "--task", "masked_language"]) == 0
    assert "300 documents in 'text'" in capsys.readouterr().out
    recipe = load(tmp_path / "mine" / "recipe.yaml")
    assert (recipe.task.kind, recipe.model.weights, recipe.data.text) == ("masked_language", "all-MiniLM-L6-v2", "text")
    assert main(["init", str(tmp_path / "other"), *data, "--task", "masked_language", "--label", "text"]) == 2
    assert "a language task reads no labels" in capsys.readouterr().err


def test_a_language_task_has_no_students(tmp_path, capsys):
    path = write_project(tmp_path, MASKED)
    assert main(["compress", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "a language task has no stage 'compress'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (CAUSAL.replace("architecture: llama", "architecture: bert"), "architecture 'bert' is not for task causal_language"),
        (MASKED.replace("layers: 1", "architecture: gpt2, layers: 1"), "architecture 'gpt2' is not for task masked_language"),
        (MASKED.replace("masked_language", "classify").replace("layers: 1", "architecture: llama, layers: 1"), "want bert"),
        (CAUSAL.replace("heads: 2", "heads: 2, kv_heads: 3"), "want a divisor of heads, 2"),
        (MASKED.replace("masked_language}", "masked_language, masked: 0.9, replaced: 0.2}"), "want at most what masked leaves, 0.1"),
        (MASKED.replace("train: {", "train: {refit: true, "), "refit, augment, label_smoothing and report are for task classify"),
        (MASKED.replace("train: {", "train: {label_smoothing: 0.1, "), "label_smoothing and report are for task classify"),
        (MASKED.replace("train: {", "train: {adapter: {kind: lora}, "), "adapter needs weights to stand beside"),
        (MASKED[: MASKED.index("train:")], "A language model has to learn"),
        (MASKED[: MASKED.index("model:")] + "model: {kind: cnn}\ntrain: {}\n", "a model of kind 'cnn' learns no language"),
    ],
)
def test_what_does_not_go_together_is_refused_at_its_place(tmp_path, recipe, message):
    with pytest.raises(RecipeFaults) as caught:
        load(write_project(tmp_path, recipe))
    assert message in str(caught.value)
