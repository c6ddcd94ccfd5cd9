"""A whole search, tiny: a CNN or a static reference on sixty rows, in the two quickest formats."""

import json
from dataclasses import replace

import pytest

from smelt.compress.halving import on_the_line, shape_costs, side_by_side
from smelt.compress.search import search
from smelt.compress.trial import spread
from smelt.errors import EnvironmentFault, SmeltError
from smelt.models.build import Model
from smelt.models.static import StaticNetwork
from smelt.recipe.compress import Cnn, Depth, Limits, Linear, Static, Transfer, Width
from smelt.runtime.bundle import open_bundle
from smelt.runtime.clock import time_elsewhere
from smelt.runtime.manifest import read_manifest
from tests.compress.conftest import STUDENTS, TIMING


class Interrupt(BaseException):
    """Someone pulls the plug."""


class Louder(StaticNetwork):
    """Scores otherwise than the arrays that are exported say."""

    def forward(self, ids_BS, mask_BS):
        return 3 * super().forward(ids_BS, mask_BS) + 1


def marks(run):
    """Every file of the run that is not work in progress, with the time of its last change and its bytes."""
    files = [path for path in run.path.rglob("*") if path.is_file() and ".work" not in path.parts]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def names(trials):
    return [trial.candidate.name for trial in trials]


def test_reference_and_students_are_tried_in_the_formats_that_hold_them(make_plan):
    trials = search(make_plan())
    assert names(trials) == ["reference-onnxruntime-fp32", "static-numpy-fp32", "cnn-onnxruntime-fp32"]
    for trial in trials:
        candidate, bundle = trial.candidate, open_bundle(trial.folder / "bundle", threads=1)
        assert trial.dev_scores.shape == (23, 3)
        assert (candidate.runtime, candidate.precision) == (bundle.manifest.runtime, bundle.manifest.precision)
        assert candidate.size_bytes == sum(path.stat().st_size for path in (trial.folder / "bundle").iterdir())
    assert trials[0].candidate.agreement == 1.0


def test_every_candidate_is_timed_once_and_keeps_what_the_clock_said(make_plan, timed):
    trials = search(make_plan())
    assert timed == names(trials)
    candidate = trials[0].candidate
    assert (candidate.latency_ms_p50, candidate.examples_per_s, candidate.threads, candidate.peak_rss_bytes) == (2.0, 400.0, 2, 5_000)


def test_the_clock_of_a_process_of_its_own_times_a_candidate(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=())
    (trial,) = search(replace(plan, clock=time_elsewhere))
    assert 0 < trial.candidate.latency_ms_p50 <= trial.candidate.latency_ms_p99
    assert min(trial.candidate.examples_per_s, trial.candidate.peak_rss_bytes) > 0


def test_a_search_that_is_done_does_nothing_again(make_plan, heard, timed):
    plan = make_plan()
    first, before, steps = search(plan), marks(plan.run), len(heard)
    second = search(plan)
    assert (marks(plan.run), len(heard), timed) == (before, steps, names(first))
    assert [trial.candidate for trial in second] == [trial.candidate for trial in first]


def test_a_search_that_was_cut_goes_on_where_it_stopped(make_plan, heard):
    plan = make_plan(formats=("numpy-fp32",), transfer=Transfer(copies=0))

    def cut(name, step, _facts):
        if (name, step and step.step) == ("cnn", 6):
            raise Interrupt

    with pytest.raises(Interrupt):
        search(replace(plan, watch=cut))
    before = marks(plan.run)
    search(plan)
    assert {path: marks(plan.run)[path] for path in before} == before
    assert {name for name, _ in heard} == {"cnn"}
    assert heard[0] == ("cnn", 5)  # the epoch of four steps was kept


def test_an_export_that_answers_otherwise_is_kept_with_its_reason(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1])
    model = Model(Louder(plan.reference.network.sizes), plan.reference.codec)
    failed, student = search(replace(plan, reference=model))
    assert (failed.candidate.name, failed.folder, failed.dev_scores) == ("reference-numpy-fp32", None, None)
    assert "the export differs from the model" in failed.candidate.why
    assert failed.candidate.latency_ms_p50 is None
    assert not (plan.run.path / "compress" / "reference-numpy-fp32").exists()
    assert student.candidate.dev_score is not None


def test_a_student_without_a_chance_is_kept_with_its_reason_and_not_exported(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], cascade="none")
    _, hopeless = search(replace(plan, least_dev_score=1.01))
    assert (hopeless.candidate.name, hopeless.folder, hopeless.dev_scores) == ("static", None, None)
    assert "not exported" in hopeless.candidate.why


def test_two_students_of_one_kind_stand_side_by_side(make_plan):
    students = (Static(hidden=4, epochs=1), Static(hidden=5, epochs=1))
    trials = search(make_plan("static", formats=("numpy-fp32",), students=students))
    assert names(trials) == ["reference-numpy-fp32", "static-numpy-fp32", "static-2-numpy-fp32"]
    assert len({trial.candidate.size_bytes for trial in trials[1:]}) == 2


def test_the_temperature_is_fitted_on_dev(make_plan):
    _, student = search(make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1]))
    settings = json.loads((student.folder / "bundle" / "codec.json").read_text(encoding="utf-8"))
    assert settings["temperature"] != 1.0


@pytest.mark.parametrize(
    ("count", "wanted", "want"), [(9, 3, [0, 4, 8]), (3, 9, [0, 1, 2]), (10, 4, [0, 3, 6, 9]), (1, 5, [0]), (7, 1, [0])]
)
def test_spread_rows_are_as_worked_by_hand(count, wanted, want):
    assert spread(count, wanted).tolist() == want


def test_the_finalist_is_taught_again_from_another_seed(make_plan, heard):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], finalist_seeds=2, cascade="none")
    trials = search(replace(plan, chance=lambda _lost, _won, _n: 0.5))
    assert names(trials) == ["reference-numpy-fp32", "static-numpy-fp32", "static-seed1-numpy-fp32", "static-seed2-numpy-fp32"]
    assert trials[2].candidate.steps[-1] == "seed: 1"
    weights = {(trial.folder / "bundle" / "static.safetensors").read_bytes() for trial in trials[1:]}
    assert len(weights) == 3


def test_no_finalist_is_taught_again_without_time_or_chance(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], finalist_seeds=2, cascade="none")
    assert len(search(replace(plan, chance=lambda _lost, _won, _n: 0.0))) == 2


def test_where_bytes_are_limited_a_student_is_tried_with_the_tokens_of_train_alone(make_plan):
    def tried(limit):
        plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], cascade="none", limits=Limits(size_bytes=limit))
        return search(plan)

    whole = tried("none")[-1].candidate
    assert whole.name == "static-numpy-fp32"
    assert tried(whole.size_bytes)[-1].candidate.name == whole.name
    smaller = tried(whole.size_bytes - 1)[-1]
    assert (smaller.candidate.name, smaller.candidate.steps[-1]) == ("static-used-numpy-fp32", "vocabulary: tokens of train")
    assert smaller.candidate.size_bytes < whole.size_bytes
    assert smaller.candidate.dev_score == pytest.approx(whole.dev_score, abs=0.2)


def test_a_student_that_fits_with_fewer_tokens_is_taught_again_with_them(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], cascade="none")
    limit = search(plan)[-1].candidate.size_bytes - 1
    plan = make_plan(
        "static", formats=("numpy-fp32",), students=STUDENTS[:1], cascade="none", finalist_seeds=1, limits=Limits(size_bytes=limit)
    )
    trials = search(replace(plan, chance=lambda _lost, _won, _n: 0.5))
    assert names(trials)[-1] == "static-seed1-used-numpy-fp32"
    assert trials[-1].candidate.size_bytes <= limit


def test_what_loses_a_class_is_not_worth_another_seed(make_plan):
    plan = make_plan("static", formats=("numpy-fp32",), students=STUDENTS[:1], finalist_seeds=2, cascade="none")
    trials = search(replace(plan, chance=lambda _lost, _won, _n: 0.5, beside=lambda _scores: 0.0))
    assert not any("seed" in name for name in names(trials))


def test_what_breaks_a_limit_is_not_worth_another_seed(make_plan):
    plan = make_plan(
        "static", formats=("numpy-fp32",), students=STUDENTS[:1], finalist_seeds=2, cascade="none", limits=Limits(size_bytes=1)
    )
    trials = search(replace(plan, chance=lambda _lost, _won, _n: 0.5))
    assert not any("seed" in name for name in names(trials))


def test_a_linear_student_learns_from_texts_of_its_own(make_plan):
    trials = search(make_plan("static", formats=("numpy-fp32",), students=(Linear(),), cascade="none"))
    assert names(trials) == ["reference-numpy-fp32", "linear-numpy-fp32"]
    bundle = open_bundle(trials[1].folder / "bundle", threads=1)
    assert bundle.manifest.family == "linear"
    assert trials[1].candidate.dev_score == pytest.approx(1.0, abs=0.2)


def test_formats_that_would_cost_more_are_not_tried_for_students(make_plan):
    prices = {"reference-onnxruntime-fp32": 5.0, "reference-openvino-fp32": 3.0, "cnn-openvino-fp32": 1.0}
    plan = make_plan(formats=("onnxruntime-fp32", "openvino-fp32"), students=STUDENTS[1:], cascade="none")
    clock = lambda folder, _workload, _module: replace(TIMING, latency_ms_p50=prices[read_manifest(folder).name])  # noqa: E731
    trials = search(replace(plan, clock=clock))
    assert names(trials)[:3] == ["reference-onnxruntime-fp32", "reference-openvino-fp32", "cnn-openvino-fp32"]
    assert "cnn-onnxruntime-fp32" not in names(trials)


def test_many_students_are_halved_and_the_rest_says_why(make_plan, heard):
    students = tuple(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7, 8, 9, 10))
    plan = make_plan("cnn", formats=("numpy-fp32",), students=students, cascade="none")
    trials = search(replace(plan, cost=lambda candidate: candidate.size_bytes))
    dropped = [trial for trial in trials if "given up in round 1" in trial.candidate.why]
    assert len(dropped) == 3
    assert len([trial for trial in trials if trial.dev_scores is not None]) == 4


def test_students_that_cannot_be_cheaper_are_not_taught(make_plan, heard):
    students = tuple(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7, 8))
    trials = search(make_plan("static", formats=("numpy-fp32",), students=students, cascade="none"))
    assert all("not taught" in trial.candidate.why for trial in trials[1:])
    assert heard == []


def test_an_exhaustive_search_teaches_every_student_and_tries_every_format(make_plan):
    prices = {"reference-onnxruntime-fp32": 5.0, "reference-openvino-fp32": 3.0, "cnn-openvino-fp32": 1.0}
    students = (*(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7)), Cnn(filters=4, kernels=(2,), epochs=1))
    formats = ("numpy-fp32", "onnxruntime-fp32", "openvino-fp32")
    plan = make_plan(formats=formats, students=students, cascade="none", search="exhaustive", finalist_seeds=0)
    clock = lambda folder, _workload, _module: replace(TIMING, latency_ms_p50=prices.get(read_manifest(folder).name, 2.0))  # noqa: E731
    tried = names([trial for trial in search(replace(plan, clock=clock)) if trial.dev_scores is not None])
    assert {name for name in tried if name.startswith("cnn")} == {"cnn-onnxruntime-fp32", "cnn-openvino-fp32"}
    assert len([name for name in tried if name.startswith("static")]) == 4


def test_of_many_students_those_that_cannot_be_are_given_up_with_their_reason(make_plan):
    students = (*(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7)), Depth(layers=9), Width(), Cnn(filters=4, kernels=(2,)))
    plan = make_plan("cnn", formats=("numpy-fp32",), students=students, cascade="none")
    whys = {trial.source: trial.candidate.why for trial in search(replace(plan, cost=lambda candidate: candidate.size_bytes))}
    assert "depth 9 wants a reference of more layers" in whys["depth9"]
    assert "wants a reference" in whys["width60"]
    assert "no format of compress.formats holds a cnn student" in whys["cnn"]
    assert [name for name, why in whys.items() if name.startswith("static") and not why]


def test_a_student_for_which_no_time_is_left_is_given_up(make_plan):
    students = (Static(hidden=4, epochs=3), Static(hidden=5, epochs=3))
    plan = replace(make_plan("cnn", formats=("numpy-fp32",), students=students, cascade="none"), seconds=0.001)
    whys = {trial.source: trial.candidate.why for trial in search(plan)}
    assert not whys["static"]
    assert "took all the time" in whys["static-2"]


def test_a_full_disk_ends_the_search(make_plan):
    plan = make_plan(formats=("numpy-fp32", "onnxruntime-fp32"), students=(), cascade="none")

    def full(_folder, _workload, _module):
        raise EnvironmentFault("No space left on device")

    with pytest.raises(EnvironmentFault, match="No space left"):
        search(replace(plan, clock=full))


def test_a_linear_student_that_cannot_be_timed_is_kept_with_its_reason(make_plan):
    plan = make_plan(formats=("numpy-fp32",), students=(Linear(),), cascade="none")

    def late(_folder, _workload, _module):
        raise SmeltError("timing took more than 30 minutes")

    assert [trial.candidate.why for trial in search(replace(plan, clock=late))] == ["timing took more than 30 minutes"]


def test_students_taught_side_by_side_take_so_much_less_of_the_time(make_plan):
    plan = make_plan(workers=3)
    assert side_by_side(plan, 5) == 1
    assert [side_by_side(replace(plan, elsewhere=lambda _: {}), students) for students in (0, 2, 5)] == [1, 2, 3]


def test_prices_follow_the_unit_they_are_counted_in(make_plan):
    students = tuple(Static(hidden=hidden, epochs=1) for hidden in (4, 5, 6, 7, 8))
    plan = make_plan("cnn", formats=("numpy-fp32",), students=students, cascade="none")
    named = {f"static{section.hidden}": section for section in students}
    assert set(shape_costs(plan, named).costs.values()) == {2.0}
    other = replace(plan, section=plan.section.model_copy(update={"minimize": "size"}), cost=lambda candidate: candidate.size_bytes)
    assert min(shape_costs(other, named).costs.values()) > 100


def test_costs_between_two_shapes_lie_on_a_line():
    assert on_the_line({1: 2.0, 5: 6.0}, 4) == pytest.approx(5.0)
    assert on_the_line({3: 2.0}, 3) == 2.0
