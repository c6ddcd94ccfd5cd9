import json

import pytest

from smelt.pipeline.card import card_facts
from smelt.pipeline.context import Context, Watcher
from smelt.recipe.load import from_dict
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.tokens import TokenEncoder
from smelt.types import Candidate, Verdict

RECIPE = {
    "name": "news",
    "data": {"kind": "files", "path": "rows.csv"},
    "task": {"kind": "classify"},
    "export": {"license": "Apache-2.0", "intended_use": "Headlines."},
}
REFERENCE = Candidate(name="reference", steps=[], runtime="torch", precision="fp32", latency_ms_p50=12.0, examples_per_s=100.0)
CHOSEN = Candidate(
    name="static-numpy-fp32", steps=[], runtime="numpy", precision="fp32", latency_ms_p50=0.5, examples_per_s=2_500.0, size_bytes=3_400_000
)
VERDICT = Verdict(
    certified=True, margin_points=1.0, confidence=0.95, n=1500, reference_score=0.9, candidate_score=0.8987, floor_score=0.8,
    drop_points=0.13, upper_points=0.7, lost=12, won=10, agreement=0.985, disagreement_upper_points=2.1, p_value=0.01,
    method="tango", candidate=CHOSEN.name, sentence="Certified.", data_sha256="ab12", isa="x86_64 avx2",
)  # fmt: skip


@pytest.fixture
def facts(tmp_path, monkeypatch, make_tokenizer):
    monkeypatch.setenv("SMELT_LANG", "en")
    bundle = tmp_path / "compress" / CHOSEN.name / "bundle"
    bundle.mkdir(parents=True)
    ClassifyCodec(labels=("oil", "rates"), encoder=TokenEncoder(make_tokenizer(), 16)).save(bundle)
    (tmp_path / "data").mkdir()
    splits = {"train": {"rows": 12_000}, "dev": {"rows": 700}, "confirm": {"rows": 1_500}}
    (tmp_path / "data" / "data.json").write_text(json.dumps({"splits": splits}), encoding="utf-8")
    context = Context(recipe=from_dict(RECIPE), recipe_text="", command="", run=RunFolder(tmp_path, Disk()), watch=Watcher())
    return card_facts(context, VERDICT, CHOSEN, REFERENCE)


def test_the_card_is_named_by_recipe_and_candidate(facts):
    assert facts.name == "news: static-numpy-fp32"


def test_the_card_repeats_the_verdict(facts):
    assert (facts.sentence, facts.certified, facts.sha256s) == ("Certified.", True, {"confirm set": "ab12"})


def test_the_card_has_the_labels_of_the_chosen_bundle_in_the_order_of_its_scores(facts):
    assert facts.labels == ("oil", "rates")


def test_the_card_counts_the_rows_of_each_split(facts):
    assert facts.data == {"train rows": "12,000", "dev rows": "700", "confirm rows": "1,500"}


def test_the_card_compares_the_choice_with_the_reference_of_the_same_run(facts):
    assert facts.metrics == {
        "accuracy on confirm": "89.87%",
        "accuracy of the reference": "90.00%",
        "agreement with the reference": "98.50%",
        "latency at batch 1": "0.50 ms (24.0×)",
        "documents per second": "2,500 (25.0×)",
        "size": "3.4 MB",
    }


def test_the_card_has_license_and_use_of_the_recipe(facts):
    assert (facts.license, facts.intended_use) == ("Apache-2.0", "Headlines.")


def test_the_card_says_where_the_claim_ends(facts):
    assert any("1,500" in limit for limit in facts.limits)
    assert any("x86_64 avx2" in limit for limit in facts.limits)
