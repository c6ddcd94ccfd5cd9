"""Measuring runs, ends, and gives an entry that can be read. No fact about time."""

import json

import pytest

from smelt.errors import UsageFault
from smelt.parallel.measure import _read_probe, _write_probe, main, medians
from smelt.parallel.trials import Trial, probes
from smelt.parallel.world import ALONE
from smelt.pipeline.calibrate import calibrate
from smelt.plan.hardware import read_entry
from smelt.runtime.isa import cores


def test_works_take_turns_and_the_first_rounds_do_not_count():
    done, times = [], iter([9.0, 1.0, 9.0, 1.0, 3.0, 1.0, 5.0, 1.0, 4.0, 1.0])

    def work(name):
        done.append(name)
        return next(times)

    assert medians([lambda: work("a"), lambda: work("b")], rounds=3) == [4.0, 1.0]
    assert "".join(done) == "ab" * 5


def test_a_work_that_does_not_take_its_time_is_timed():
    (seconds,) = medians([lambda: None], rounds=1)
    assert 0 < seconds < 1


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_probe_can_be_foretold_and_is_written_as_it_is(ranks):
    found = probes(ranks)
    assert {probe.parallel.processes for probe in found} == {ranks}
    for probe in found:
        assert _read_probe(json.loads(json.dumps(_write_probe(probe)))) == probe
        assert probe.layout.ranks == ranks


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_trial_learns(architecture):
    from dataclasses import replace

    trial = Trial(replace(probes(1, brief=True)[0], architecture=architecture), ALONE)
    before = next(trial.network.parameters()).clone()
    assert trial.step() > 0
    assert not before.equal(next(trial.network.parameters()))


def test_one_process_answers_what_it_was_asked(tmp_path, monkeypatch):
    order = tmp_path / "order.json"
    order.write_text(json.dumps({"ranks": 1, "brief": True, "answer": str(tmp_path / "answer.json")}), encoding="utf-8")
    monkeypatch.setenv("RANK", "0")
    main(order)
    found = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert {one["precision"] for one in found["products"]} == {"fp32", "bf16"}
    assert found["exchanges"] == []
    assert all(seconds > 0 for _, seconds in found["steps"])


@pytest.mark.distributed
def test_a_machine_is_measured_and_written_down(tmp_path):
    place = tmp_path / "state" / "hardware.json"
    entry = calibrate((1, 2), place, brief=True)
    assert read_entry(place) == entry
    assert (entry.kind, entry.units, entry.source) == ("cpu", cores(), "measured by smelt plan --calibrate")
    assert entry.name.startswith("this machine: ")
    assert {"host_us", "link_us", "split_us"} <= set(dict(entry.constants))
    assert [path.name for path in place.parent.iterdir()] == ["hardware.json"]


def test_more_processes_than_the_machine_can_hold_are_refused(tmp_path):
    with pytest.raises(UsageFault, match="1000 processes on") as caught:
        calibrate((1, 1000), tmp_path / "hardware.json")
    assert caught.value.step == f"Measure with at most {4 * cores()}."
