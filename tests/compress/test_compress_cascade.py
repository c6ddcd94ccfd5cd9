"""Thresholds on made-up scores; a cascade of two exports, from the search to the open bundle."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from smelt.compress.cascade import cascades, pick_threshold
from smelt.compress.search import search
from smelt.errors import BundleFault
from smelt.export.cascade import write_cascade
from smelt.models.session import LiveSession
from smelt.recipe.compress import Limits
from smelt.runtime.bundle import open_bundle, score_texts
from smelt.runtime.cascade import Rule
from smelt.runtime.manifest import FILE, SEAL, read_manifest, seal
from smelt.verify.pairs import lost_and_won
from tests.compress.conftest import TIMING

N = 400
DRAW = np.random.default_rng(5)
LABELS = DRAW.integers(3, size=N)


def scored(answers, sureness):
    """Scores with this answer and this distance to the others."""
    return (np.eye(3)[answers] * np.asarray(sureness)[:, None]).astype(np.float32)


@pytest.fixture
def doubtful():
    """The slow model is always right; the fast one is wrong on its 40 least sure examples of 400."""
    sure = np.linspace(0.1, 8.0, N)
    wrong = np.arange(N) < 40
    return scored(np.where(wrong, (LABELS + 1) % 3, LABELS), sure), scored(LABELS, np.full(N, 5.0))


def chance(rule, reference=LABELS):
    """What a search would predict from scores, by this rule of lost, won and all."""
    return lambda scores: rule(*lost_and_won(reference, scores.argmax(1), LABELS), N)


def test_the_threshold_passes_on_no_more_than_it_must(doubtful):
    pick = pick_threshold(*doubtful, chance(lambda lost, won, n: float((lost, won, n) == (0, 0, N))))
    assert pick.share == pytest.approx(0.1, abs=0.005)
    np.testing.assert_array_equal(pick.scores_BC.argmax(1), LABELS)


def test_a_few_lost_answers_may_be_enough(doubtful):
    pick = pick_threshold(*doubtful, chance(lambda lost, won, n: float(lost <= 20)))
    assert pick.share == pytest.approx(0.05, abs=0.005)


def test_no_threshold_is_taken_where_none_is_enough(doubtful):
    assert pick_threshold(*doubtful, chance(lambda *_: 0.5)) is None


def test_an_answer_of_the_reference_that_is_no_label_is_neither_lost_nor_won(doubtful):
    seen = []
    pick_threshold(*doubtful, chance(lambda lost, won, n: seen.append((lost, won)) or 1.0, np.full(N, -1)))
    assert seen[0][0] == 0


@pytest.fixture
def trial(make_plan):
    """A static student before a CNN. The clock says that what is static costs a tenth."""
    plan = make_plan(formats=("numpy-fp32", "onnxruntime-fp32"))
    cheap = replace(TIMING, latency_ms_p50=0.2, examples_per_s=4000.0)
    plan = replace(plan, clock=lambda folder, *_: cheap if read_manifest(folder).family == "static" else TIMING, chance=lambda *_: 1.0)
    found = [one for one in search(plan) if one.candidate.name == "static-cascade"]
    return plan, found[0]


def test_the_search_tries_a_cascade_of_a_cheap_student_and_the_references_export(trial):
    _, found = trial
    assert found.candidate.runtime == "numpy + onnxruntime"
    assert found.candidate.steps[-1].startswith("cascade: ")
    assert "to reference-onnxruntime-fp32" in found.candidate.steps[-1]
    assert found.candidate.latency_ms_p50 == 2.0


def test_a_cascade_that_would_be_too_large_is_not_built(trial):
    plan, found = trial
    trials = search(plan)

    def built(limit):
        limited = replace(plan, section=plan.section.model_copy(update={"limits": Limits(size_bytes=limit)}))
        return [one.candidate.name for one in cascades(limited, trials)]

    parts = [one.candidate.size_bytes for one in trials if one.candidate.name in ("static-numpy-fp32", "reference-onnxruntime-fp32")]
    assert "static-cascade" in built(found.candidate.size_bytes)
    assert built(max(parts)) == []  # each keeps it, both together do not


def test_its_bundle_answers_as_dev_was_scored(trial):
    plan, found = trial
    bundle = open_bundle(found.folder / "bundle", threads=1)
    scores = score_texts(bundle.session, bundle.codec, plan.dev_texts)
    np.testing.assert_allclose(scores, found.dev_scores, atol=1e-4)
    assert bundle.manifest.family == "cascade"
    assert (bundle.manifest.precision, bundle.manifest.threads) == ("fp32", TIMING.latency_threads)


def test_it_is_called_as_rough_as_its_rougher_part(trial, tmp_path):
    plan, found = trial
    parts = [found.folder / "bundle" / name for name in ("fast", "slow")]
    rough = replace(read_manifest(parts[0]), precision="int8")
    shutil.copytree(parts[0], tmp_path / "fast")
    seal(tmp_path / "fast", rough)
    whole = tmp_path / "whole"
    whole.mkdir()
    rule = Rule(threshold=0.5, fast_temperature=1.0, slow_temperature=1.0)
    write_cascade(tmp_path / "fast", parts[1], rule, plan.reference.codec, rough, whole)
    assert (read_manifest(whole).precision, read_manifest(whole).runtime) == ("int8", "onnxruntime")


def test_what_the_fast_graph_is_not_sure_of_has_the_slow_graphs_scores(trial):
    plan, found = trial
    folder = found.folder / "bundle"
    rule = json.loads((folder / "cascade.json").read_text())
    (folder / "cascade.json").write_text(json.dumps(rule | {"threshold": 1.1}), encoding="utf-8")
    seal(folder, read_manifest_unsealed(folder))
    bundle = open_bundle(folder, threads=1)
    live = LiveSession(plan.reference.network, threads=1).scores(bundle.codec.encode(plan.dev_texts)) / rule["slow_temperature"]
    np.testing.assert_allclose(score_texts(bundle.session, bundle.codec, plan.dev_texts), live, atol=1e-3)


def read_manifest_unsealed(folder):
    """Seal what lies there first: the file was changed on purpose."""
    from smelt.runtime.manifest import Manifest

    return Manifest(**json.loads((folder / FILE).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "rule", [{}, {"threshold": "x"}, {"threshold": float("nan")}, {"fast_temperature": 0.0}, {"slow_temperature": -1.0}, []]
)
def test_a_rule_that_makes_no_sense_is_refused(trial, rule):
    _, found = trial
    folder = found.folder / "bundle"
    sound = json.loads((folder / "cascade.json").read_text())
    (folder / "cascade.json").write_text(json.dumps(sound | rule if rule else rule), encoding="utf-8")
    seal(folder, read_manifest_unsealed(folder))
    with pytest.raises(BundleFault):
        open_bundle(folder)


def test_a_file_of_a_part_that_was_changed_is_refused(trial):
    _, found = trial
    path = found.folder / "bundle" / "slow" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleFault, match=r"slow/model\.onnx"):
        open_bundle(found.folder / "bundle")


def test_a_part_sealed_anew_is_still_held_to_the_whole(trial):
    _, found = trial
    fast = found.folder / "bundle" / "fast"
    (fast / "more.txt").write_text("x", encoding="utf-8")
    seal(fast, read_manifest_unsealed(fast))
    assert (fast / SEAL).is_file()
    with pytest.raises(BundleFault, match=r"not in the manifest|was changed"):
        open_bundle(found.folder / "bundle")


def test_the_slow_graph_promises_as_much_as_the_fast_one(trial):
    plan, _ = trial
    trials = search(plan)
    own = trials[0]
    wrong = np.roll(own.dev_scores, 1, axis=1)
    quicker = replace(own, candidate=replace(own.candidate, name="reference-quick", latency_ms_p50=1.0), dev_scores=wrong)
    plan = replace(plan, chance=lambda lost, won, n: float(lost <= n / 10))
    assert [one.candidate.steps[-1].partition(" to ")[2] for one in cascades(plan, [quicker, *trials])] == ["reference-onnxruntime-fp32"]
    alone = [quicker, *(one for one in trials if one.source == "static")]
    assert cascades(plan, alone) == []


def test_a_student_stands_behind_another_where_that_is_cheaper(trial):
    plan, _ = trial
    trials = [one for one in search(plan) if not one.source.endswith("-cascade")]
    cnn = next(one for one in trials if one.candidate.name == "cnn-onnxruntime-fp32")
    own = next(one for one in trials if one.source == "reference")
    quicker = replace(cnn, candidate=replace(cnn.candidate, latency_ms_p50=1.0), dev_scores=own.dev_scores)
    told = [
        one.candidate.steps[-1].partition(" to ")[2] for one in cascades(plan, [own, quicker, *(t for t in trials if t.source == "static")])
    ]
    assert told == ["cnn-onnxruntime-fp32", "reference-onnxruntime-fp32"]


def test_no_cascade_is_tried_where_the_student_saves_too_little(make_plan):
    plan = make_plan(formats=("numpy-fp32", "onnxruntime-fp32"))
    assert cascades(plan, search(plan)) == []
