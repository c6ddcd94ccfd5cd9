import pytest
from ruamel.yaml import YAML

from smelt.report.card import CardFacts, model_card
from smelt.report.limits import claim_limits
from smelt.types import Verdict


def card(**facts: object) -> str:
    return model_card(
        CardFacts(
            **({"name": "mytask", "sentence": "Certified at 95 %: `static` is fine.", "certified": True, "labels": ["ham", "spam"]} | facts)
        )
    )


def test_the_card_tells_verdict_metrics_and_checksums() -> None:
    text = card(metrics={"accuracy on confirm": "92.9 %"}, sha256s={"manifest.json": "ab" * 32})
    assert "**Certified.** Certified at 95 %: `static` is fine." in text
    assert "| accuracy on confirm | 92.9 % |" in text
    assert f"| manifest.json | {'ab' * 32} |" in text


def test_a_license_that_nobody_stated_is_not_invented() -> None:
    text = card()
    assert "Not stated" in text
    assert "license:" not in text


@pytest.mark.parametrize("license_", ["Apache-2.0", 'x"\n---\n\nevil: [1]', "no"])
def test_the_head_is_yaml_whatever_the_license_says(license_: str) -> None:
    head = card(license=license_).removeprefix("---\n").split("\n---\n\n")[0]
    assert YAML(typ="safe").load(head) == {"license": license_, "pipeline_tag": "text-classification", "tags": ["smelt"]}


def test_labels_are_escaped() -> None:
    text = card(labels=["<script>", "a|b", "[x](y)", "two\nlines", "`tick`"])
    assert r"\<script\>, a\|b, \[x\](y), two lines, \`tick\`" in text


def test_many_labels_are_cut_with_a_count() -> None:
    text = card(labels=[f"c{n}" for n in range(203)])
    assert "203 labels:" in text
    assert "c199, and 3 more" in text


def test_commands_are_fenced_by_more_backticks_than_they_hold() -> None:
    assert "````sh\necho ```x```\n````" in card(commands=["echo ```x```"])


def test_empty_chapters_are_left_out() -> None:
    assert "## Data" not in card()


def verdict() -> Verdict:
    return Verdict(
        certified=True, margin_points=1.0, confidence=0.95, n=1300, reference_score=0.93, candidate_score=0.93, floor_score=0.84,
        drop_points=0.0, upper_points=0.4, lost=3, won=3, agreement=0.99, disagreement_upper_points=1.2, p_value=0.001, method="",
        candidate="static", sentence="", data_sha256="a" * 64, isa="x86_64 avx2",
    )  # fmt: skip


def test_the_limits_name_examples_instructions_and_the_share_of_false_certificates() -> None:
    told = " ".join(claim_limits(verdict()))
    assert "1,300" in told
    assert "x86_64 avx2" in told
    assert "about 5 %" in told


def test_repeated_openings_are_a_limit_and_a_single_one_is_not() -> None:
    assert len(claim_limits(verdict(), 3)) == len(claim_limits(verdict(), 1)) + 1
