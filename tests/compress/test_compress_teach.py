"""Every kind of student, from a section of a recipe to an open bundle, on a transformer of three layers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from smelt.compress.search import search
from smelt.errors import UsageFault
from smelt.models.build import load_model
from smelt.models.session import LiveSession
from smelt.models.slices import SlicedNetwork, widths_of
from smelt.recipe.compress import Depth, Distill, Static, Width
from smelt.recipe.train import AdamW
from smelt.runtime.bundle import open_bundle
from tests.compress.conftest import TIMING

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


def priced(folder, _workload, _module):
    """A clock for which time is the size of the graph: what is cut is cheaper."""
    return replace(TIMING, latency_ms_p50=(folder / "model.onnx").stat().st_size / 1e4)


def test_a_narrower_student_is_cut_in_rounds_taught_exported_and_found_again(make_plan, heard):
    section = Width(layers=2, cost=0.8, dim=0.99, rounds=2, epochs=1)
    plan = replace(make_plan("transformer", formats=("onnxruntime-fp32",), students=(section,), cascade="none"), clock=priced)
    trials = search(plan)
    assert [trial.candidate.name for trial in trials] == ["reference-onnxruntime-fp32", "width80-depth2-onnxruntime-fp32"]
    folder = plan.run.path / "compress" / "width80-depth2"
    model, facts = load_model(folder), json.loads((folder / "training.json").read_text(encoding="utf-8"))
    widths = widths_of(model.network)
    assert isinstance(model.network, SlicedNetwork)
    assert len(widths.heads) == 2
    assert sum(widths.heads) < 4 or sum(widths.columns) < 128
    assert facts["widths"] == {"dim": 16, "heads": list(widths.heads), "columns": list(widths.columns)}
    assert {name for name, _ in heard} == {"width80-depth2"}
    live = LiveSession(model.network, threads=1).scores(model.codec.encode(plan.dev_texts))
    bundle = open_bundle(trials[1].folder / "bundle", threads=1)
    np.testing.assert_allclose(bundle.session.scores(bundle.codec.encode(plan.dev_texts)), live, atol=1e-3)
    before = len(heard)
    assert [trial.candidate for trial in search(plan)] == [trial.candidate for trial in trials]
    assert len(heard) == before


def test_a_narrower_student_that_was_cut_off_keeps_what_was_decided(make_plan):
    class Interrupt(BaseException):
        pass

    section = Width(cost=0.7, rounds=2, epochs=1)
    plan = replace(make_plan("transformer", formats=("onnxruntime-fp32",), students=(section,), cascade="none"), clock=priced)

    def cut(_name, step, _facts):
        if step and step.step == 2:
            raise Interrupt

    with pytest.raises(Interrupt):
        search(replace(plan, watch=cut))
    (kept,) = plan.run.path.glob(".work/compress-width70-*/round-0/kept.json")
    decided = json.loads(kept.read_text(encoding="utf-8"))
    search(plan)
    widths = widths_of(load_model(plan.run.path / "compress" / "width70").network)
    assert all(found <= len(heads) for found, heads in zip(widths.heads, decided["heads"], strict=True))


def test_layers_are_chosen_by_loss(make_plan):
    plan = make_plan("transformer", formats=("onnxruntime-fp32",), students=(Depth(layers=2, choose="greedy", epochs=1),), cascade="none")
    search(plan)
    facts = json.loads((plan.run.path / "compress" / "depth2" / "training.json").read_text(encoding="utf-8"))
    assert len(facts["layers"]) == 2
    assert facts["layers"] == sorted(facts["layers"])


@pytest.mark.parametrize("section", [Static(pairs=50, hidden=8, epochs=2), Depth(layers=1, epochs=2)], ids=["static", "depth"])
def test_students_learn_from_mixtures_with_few_tokens_and_pairs(make_plan, section):
    plan = make_plan(
        "transformer", formats=("numpy-fp32", "onnxruntime-fp32"), students=(section,), distill=Distill(mixup=0.5), vocabulary="used"
    )  # fmt: skip
    trials = search(plan)
    student = next(trial for trial in trials if trial.source != "reference")
    bundle = open_bundle(student.folder / "bundle", threads=1)
    assert bundle.codec.encoder.size < plan.reference.codec.encoder.size
    assert student.candidate.unknown_share == 0.0
    assert student.dev_scores.shape == (23, 3)


def test_a_student_that_int8_harms_is_taught_to_round(make_plan, monkeypatch):
    monkeypatch.setattr("smelt.compress.search._LOST_IN_INT8", -1.0)  # any int8 is called harmful
    plan = make_plan("transformer", formats=("onnxruntime-int8",), students=(Depth(layers=1, epochs=1),), cascade="none")
    names = [trial.candidate.name for trial in search(plan)]
    assert names == ["reference-onnxruntime-int8", "depth1-onnxruntime-int8", "depth1-rounded-onnxruntime-int8"]


def test_a_student_that_cannot_be_is_told_and_the_others_are_taught(make_plan):
    students = (Depth(layers=9, epochs=1), Static(hidden=8, epochs=1))
    trials = search(make_plan("transformer", formats=("numpy-fp32",), students=students, cascade="none"))
    assert [(trial.candidate.name, trial.folder is None) for trial in trials] == [("depth9", True), ("static-numpy-fp32", False)]
    assert "more layers" in trials[0].candidate.why


def test_halving_teaches_elsewhere_too_and_drops_who_fails(make_plan):
    orders = []

    def elsewhere(trainings):
        orders.append([place for _, place in trainings])
        return {"static-2": "out of memory"} if "rungs" in trainings[0][1] else {}

    students = tuple(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7, 8, 9))
    plan = make_plan("cnn", formats=("numpy-fp32",), students=students, cascade="none", workers=2)
    trials = search(replace(plan, cost=lambda candidate: candidate.size_bytes, elsewhere=elsewhere))
    assert len(orders) == 2
    assert all("rungs" in place for place in orders[0])
    assert "out of memory" in next(trial.candidate.why for trial in trials if trial.candidate.name == "static-2")


def test_a_vocabulary_that_cannot_be_pruned_is_refused_by_its_kind(make_plan):
    from tokenizers import Tokenizer, models

    from smelt.compress.tokens import check_vocabulary
    from smelt.tasks.tokens import TokenEncoder

    check_vocabulary(make_plan("transformer").reference.codec.encoder)
    with pytest.raises(UsageFault, match="BPE"):
        check_vocabulary(TokenEncoder(Tokenizer(models.BPE({"a": 0}, [])), 8))


def test_students_learn_at_their_own_rate_whatever_the_reference_learned_at(make_plan, monkeypatch):
    # On so small a network it is chance which precision is the faster one, and the answers differ in the last digits.
    monkeypatch.setattr("smelt.compress.stages._quickest", lambda _plan: ("fp32", 1e9))
    plan = make_plan(formats=("numpy-fp32",), students=(Static(hidden=8, epochs=1),), cascade="none")
    plan = replace(plan, seconds=36_000.0)  # time enough on a busy machine: what is cut short learns something else
    search(plan)
    own = load_model(plan.run.path / "compress" / "static").network.state_dict()
    slow = plan.train.model_copy(update={"optimizer": AdamW(learning_rate=1e-12)})
    search(replace(plan, train=slow, inputs={"again": 1}))
    again = load_model(plan.run.path / "compress" / "static").network.state_dict()
    assert all(torch.equal(own[name], again[name]) for name in own)


def test_a_student_learns_where_the_reference_had_time_for_a_part_of_train(make_plan, monkeypatch, caplog):
    monkeypatch.setattr("smelt.compress.stages._quickest", lambda _plan: ("fp32", 1e-9))
    monkeypatch.setattr("smelt.compress.transfer._LEAST_ANSWERED", 20)
    plan = make_plan(formats=("numpy-fp32",), students=(Static(hidden=8, epochs=2),), cascade="none")
    trials = search(plan)
    found = load_file(plan.run.path / "compress" / "transfer" / "transfer.safetensors")
    known = np.isfinite(found["scores"])
    assert (known.all(axis=1) == known.any(axis=1)).all()
    assert (len(known), known.all(axis=1).sum()) == (61, 20)
    assert "the reference answers 20 of 61 rows of train" in caplog.text
    network = load_model(plan.run.path / "compress" / "static").network
    assert all(torch.isfinite(one).all() for one in network.state_dict().values())
    assert trials[-1].dev_scores is not None
    assert np.isfinite(trials[-1].dev_scores).all()
