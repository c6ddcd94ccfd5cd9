"""`smelt plan`: questions, answers, and what is wrong with a question."""

import json

import pytest

SPEC = """\
model: {layers: 12, hidden: 768, heads: 12, vocab: 50257}
task: {sequence: 1024, global_batch: 64, tokens: 1e9}
cluster: {accelerator: H100, count: 16, price_per_hour: 2.5}
deadline_hours: 10
"""


@pytest.fixture
def spec(tmp_path):
    """A small question in a file."""
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    return "spec.yaml"


def test_an_answer_in_words(smelt, spec):
    done = smelt("plan", spec, "--what-if")
    assert done.code == 0
    for words in ("fastest", "acc. hours", "what if", "failures", "parallel: {"):
        assert words in done.out


def test_an_answer_in_json(smelt, spec):
    document = smelt("plan", spec, "--json", "--what-if").document
    assert document["best"]["step_seconds"] > 0
    assert document["cluster"]["count"] == 16
    assert document["task"]["steps"] == 15259
    assert document["best"]["hours"] == pytest.approx(document["best"]["step_seconds"] * 15259 / 3600)
    cheapest = next(each for each in document["offers"] if each["count"] == document["cheapest"])
    assert cheapest["cost"] == pytest.approx(2.5 * cheapest["accelerator_hours"])
    assert document["parallel"] is not None


def test_the_section_runs_through_a_recipe(smelt, spec, tmp_path):
    from smelt.recipe.parallel import Parallel

    assert Parallel.model_validate(smelt("plan", spec, "--json").document["parallel"]).processes == 16


def test_a_page(smelt, spec, tmp_path):
    assert smelt("plan", spec, "--html", "plan.html").code == 0
    assert (tmp_path / "plan.html").read_text(encoding="utf-8").startswith("<!")


def test_a_page_that_cannot_be_written_says_where_and_what_to_name(smelt, spec, tmp_path):
    done = smelt("plan", spec, "--html", str(tmp_path))
    assert done.code == 5
    assert str(tmp_path) in done.err
    assert "--html plan.html" in done.err


def test_a_configuration_of_hugging_face(smelt, spec, tmp_path):
    config = {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "spec.yaml").write_text("model: {config: config.json}\n" + SPEC.split("\n", 1)[1])
    assert smelt("plan", spec, "--json").document["model"]["weights"] == 1_235_814_400


def test_a_recipe_with_a_cluster(smelt, tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "data: {kind: files, path: x.csv}\ntask: {kind: classify}\ncluster: {accelerator: A100, count: 4}\n"
    )
    document = smelt("plan", "recipe.yaml", "--json").document
    assert document["task"]["batch"] == 64
    assert document["best"]["layout"]["context"] == 1
    assert document["parallel"] is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("cluster.accelerator=H1000", "Did you mean 'H100'?"),
        ("cluster.count=0", "whole number of at least 1"),
        ("cluster.links.network_gbps=-3", "a number of at least 1e-06"),
        ("model.heads=7", "7 heads do not divide hidden, 768"),
        ("layout.tensor=5", "tensor 5 does not divide 12 heads"),
        ("model.layres=3", "Did you mean 'layers'?"),
        ("task.global_batch=3", "Batch 3 can be shared by 1, 3 replicas"),
        ("model.config=nowhere.json", "leave out layers, hidden, heads"),
        ("cluster.accelerator=this machine", "smelt plan --calibrate"),
        ("task.steps=7", "leave one of the two out"),
        ("task.tokens=0", "give task.tokens or task.steps"),
        ("layout.expert=2", "expert 2 does not divide 0 experts"),
        ("cluster.count=1000000000000", "of at most 1000000"),
        ("task.global_batch=1000000000000000000000000000000", "of at most 1000000000"),
        ("model.layers=1000000000", "of at most 10000000"),
        ("cluster.price_per_hour=1e308", "of at most 1000000000.0"),
        ("cluster.storage_gbps=1e-300", "a number of at least 1e-06"),
    ],
)
def test_what_is_wrong_is_told_with_its_mend(smelt, spec, change, told):
    done = smelt("plan", spec, "--set", change, "--set", "cluster.count=13") if "batch" in change else smelt("plan", spec, "--set", change)
    assert done.code == 2
    assert told in done.err
    assert not done.out


def test_what_fits_nowhere_says_by_how_much_and_what_would_do(smelt, spec):
    changes = ("model.hidden=24576", "model.heads=192", "cluster.count=2", "model.layers=96")
    done = smelt("plan", spec, *(each for change in changes for each in ("--set", change)))
    assert done.code == 2
    assert "no layout fits" in done.err
    assert "It would fit" in done.err


def test_nothing_asked(smelt):
    done = smelt("plan")
    assert done.code == 2
    assert "specification" in done.err


def test_sizes_beside_a_configuration_are_refused(smelt, spec, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "spec.yaml").write_text("model: {config: config.json, vocab: 7, kv_heads: auto}\n" + SPEC.split("\n", 1)[1])
    done = smelt("plan", spec)
    assert done.code == 2
    assert "sizes stand beside a config; leave out vocab\n" in done.err


def test_a_run_that_never_ends_is_valid_json_and_told(smelt, spec):
    change = ("--set", "cluster.hours_between_failures=1e-6")
    done = smelt("plan", spec, "--json", *change)
    assert "Infinity" not in done.out
    assert done.document["failures"]["expected"] is None
    assert "such a run never ends" in smelt("plan", spec, *change).out


def test_a_deadline_that_nothing_keeps_is_told(smelt, spec):
    assert "warning: no number of accelerators up to this one keeps the deadline, 0.001 hours" in smelt(
        "plan", spec, "--set", "deadline_hours=0.001"
    ).out.replace("\n", " ")


@pytest.mark.parametrize("change", ["layout.recompute=full", "layout.context=2", "layout.virtual=4"])
def test_what_smelt_does_not_run_gets_no_section(smelt, spec, change):
    done = smelt("plan", spec, "--set", change, "--set", "task.sequence=8192")
    assert done.code == 0
    assert "smelt run cannot train this" in done.out
    assert "parallel: {" not in done.out


def test_a_page_of_given_stages_is_drawn(smelt, spec):
    """A pipeline's stages that are given do not make replicas without a pipeline interleave."""
    assert smelt("plan", spec, "--html", "plan.html", "--set", "layout.virtual=3", "--set", "layout.pipeline=4").code == 0


def test_of_one_step_no_hours_are_told_but_its_cost(smelt, spec):
    changes = ("--set", "task.tokens=0", "--set", "deadline_hours=0")
    done = smelt("plan", spec, *changes)
    table = done.out.split("accelerators")[1]
    assert "hours" not in table.split("\n", 1)[0]
    cost = smelt("plan", spec, "--json", *changes).document["offers"][0]["cost"]
    assert f"{cost:,.4g}" in table
