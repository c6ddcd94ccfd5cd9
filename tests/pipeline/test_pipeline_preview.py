import csv

import pytest

from smelt.errors import DataFault
from smelt.pipeline.preview import advice, preview
from smelt.recipe.load import from_dict
from smelt.verify import agreement
from smelt.verify.power import certifiable_margin, sample_size

FACTS = {"characters": {"p50": 500}, "labels": {"a": 1, "b": 1, "c": 1}, "splits": {"train": {"rows": 9_000}}, "cjk_share": 0.0}
TWO = {"labels": {"no": 1, "yes": 1}}
SHORT = {"characters": {"p50": 60}}
LONG = {"characters": {"p50": 1_300}}
FEW = {"splits": {"train": {"rows": 800}}}


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")


@pytest.mark.parametrize(
    ("facts", "want"),
    [
        ({"cjk_share": 0.5} | FEW | LONG, "Mostly Chinese text"),
        (FEW | LONG | TWO, "Only 800 training rows"),
        (LONG | TWO, "Long documents (median 1300 characters)"),
        (SHORT, "3 labels on short texts"),
        (SHORT | TWO, "Two labels"),
        (TWO, "Two labels"),
        ({}, "3 labels on texts of medium length"),
    ],
)
def test_advice_begins_with_what_decides(facts, want):
    assert advice(FACTS | facts).startswith(want)


@pytest.fixture
def make_recipe(tmp_path):
    def make(rows=400, text="text", **sections):
        with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([text, "label"])
            writer.writerows((f"word {number} {'ab'[number % 2]}", "xy"[number % 2]) for number in range(rows))
        data = {"kind": "files", "path": str(tmp_path / "rows.csv"), "splits": {"confirm": 0.5}}
        return from_dict({"data": data, "task": {"kind": "classify"}} | sections)

    return make


def test_a_preview_counts_rows_and_labels(make_recipe):
    found = preview(make_recipe())
    assert (sum(found.rows.values()), found.rows["confirm"]) == (400, 200)
    assert (sum(found.labels.values()), set(found.labels)) == (400, {"x", "y"})
    assert (found.dropped, found.bad_rows) == ({"train": 0, "dev": 0, "inside_train": 0}, 0)


def test_what_confirm_reaches_is_what_the_power_of_the_test_says(make_recipe):
    reach = {each.disagreement: each for each in preview(make_recipe(verify={"margin_points": 3.0, "confidence": 0.9})).reach}
    assert sorted(reach) == [0.01, 0.02, 0.04, 0.06, 0.1]
    want = 100 * certifiable_margin(200, disagreement=0.04, confidence=0.9, power=0.8)
    assert reach[0.04].certifiable_points == pytest.approx(want)
    assert reach[0.04].needed_rows == sample_size(margin=0.03, confidence=0.9, drop=0.0, disagreement=0.04, power=0.8)


def test_without_true_labels_every_changed_answer_counts_as_lost(make_recipe):
    found = preview(make_recipe(verify={"margin_points": 3.0, "labels": "reference"}))
    reach = {each.disagreement: each for each in found.reach}
    assert reach[0.04].certifiable_points == pytest.approx(100 * agreement.certifiable_margin(200, disagreement=0.04, confidence=0.95))
    assert (reach[0.02].needed_rows, reach[0.04].needed_rows) == (agreement.sample_size(0.03, 0.02, 0.95), None)
    assert not found.certifiable


@pytest.mark.parametrize(("margin", "want"), [(1.0, False), (30.0, True)])
def test_a_margin_is_certifiable_if_confirm_has_the_rows_for_it(make_recipe, margin, want):
    assert preview(make_recipe(verify={"margin_points": margin})).certifiable == want


def test_without_a_train_section_there_is_no_time_to_estimate(make_recipe):
    assert preview(make_recipe()).estimate is None


def test_the_estimate_is_that_of_the_plan(make_recipe):
    model = {"kind": "cnn", "dim": 4, "filters": 2, "kernels": [2], "vocabulary": {"size": 100}}
    found = preview(make_recipe(model=model, train={"epochs": 3, "precision": "fp32", "threads": 1}, budget_minutes=2.0)).estimate
    assert (found.epochs, found.precision) == (3, "fp32")
    assert found.total_minutes >= max(2.0, found.reference_minutes)


def test_a_fault_of_the_data_is_told(make_recipe):
    with pytest.raises(DataFault, match="body"):
        preview(make_recipe(text="body"))


def test_nothing_is_left_on_disk(make_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    preview(make_recipe())
    assert list((tmp_path / "temporary").iterdir()) == []
