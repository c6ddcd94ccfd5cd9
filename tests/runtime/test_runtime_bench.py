import dataclasses
import json
import subprocess
import time

import numpy as np
import pytest

from smelt.errors import SmeltError
from smelt.runtime.bench import Workload, combine, time_session
from smelt.runtime.clock import BUNDLES, race, read_workload, time_elsewhere
from smelt.types import Timing

TEXTS = ["rate cut", "rate", "bond bond cut rate"] * 4


class FakeSession:
    """One thread is quick on single documents, two threads are quick on batches."""

    runtime, precision = "numpy", "fp32"

    def __init__(self, threads):
        self.threads = threads
        self.sizes = []

    def scores(self, arrays):
        self.sizes.append(len(arrays))
        slow = (len(arrays) == 1) == (self.threads == 2)
        time.sleep(0.004 if slow else 0.0005)
        return np.zeros((len(arrays), 3), np.float32)


@pytest.fixture(scope="module")
def timing(codec):
    return time_session(FakeSession, codec, Workload(singles=TEXTS, documents=TEXTS, batch=5, threads=(1, 2), rounds=2))


def test_every_figure_is_positive(timing):
    assert min(timing.latency_ms_p50, timing.latency_ms_p99, timing.examples_per_s, timing.peak_rss_bytes) > 0


def test_latency_and_throughput_each_have_the_better_thread_count(timing):
    assert (timing.latency_threads, timing.threads) == (1, 2)


def test_latency_counts_what_the_session_takes(timing):
    assert 0.5 <= timing.latency_ms_p50 <= timing.latency_ms_p99


def test_throughput_counts_documents(timing):
    # 12 documents in 3 batches of half a millisecond and more each.
    assert 12 / (3 * 0.05) < timing.examples_per_s < 12 / (3 * 0.0005)


def test_the_batch_size_is_told(timing):
    assert timing.batch == 5


def test_documents_are_answered_in_batches_of_the_size_asked_for(codec):
    session = FakeSession(2)
    time_session(lambda threads: session, codec, Workload(singles=TEXTS[:1], documents=TEXTS, batch=5, threads=(2,), rounds=1))
    assert set(session.sizes) == {1, 5, 2}


def test_batches_are_sorted_by_length(codec):
    widths = []

    class Recorder(FakeSession):
        def scores(self, arrays):
            widths.append(int(np.diff(arrays.offsets).max()))
            return super().scores(arrays)

    time_session(Recorder, codec, Workload(singles=["rate"], documents=TEXTS, batch=4, threads=(2,), rounds=1))
    assert widths[-3:] == [3, 4, 6]


def timing_of(rate, **more):
    figures = {"latency_ms_p50": rate / 10, "latency_ms_p99": rate / 5, "peak_rss_bytes": int(rate), "spread": 0.0}
    return Timing(examples_per_s=rate, batch=32, threads=2, latency_threads=1, **(figures | more))


def test_rounds_are_combined_to_their_median_and_spread():
    combined = combine([timing_of(100.0), timing_of(80.0), timing_of(130.0)])
    assert (combined.examples_per_s, combined.latency_ms_p50, combined.latency_ms_p99) == (100.0, 10.0, 20.0)
    assert combined.spread == pytest.approx((130 - 80) / 100)


def test_the_memory_of_several_rounds_is_the_most_of_them():
    assert combine([timing_of(100.0, peak_rss_bytes=7), timing_of(80.0, peak_rss_bytes=9)]).peak_rss_bytes == 9


@pytest.fixture
def workload_file(tmp_path):
    path = tmp_path / "workload.json"
    workload = Workload(singles=TEXTS[:2], documents=TEXTS, batch=5, threads=(1,), rounds=1)
    path.write_text(json.dumps(dataclasses.asdict(workload)), encoding="utf-8")
    return path


def test_a_workload_is_read_back(workload_file):
    workload = read_workload(workload_file)
    assert (workload.documents, workload.batch, list(workload.threads), workload.rounds) == (TEXTS, 5, [1], 1)


def test_a_bundle_is_timed_in_a_process_of_its_own(sealed_bundle, workload_file):
    timing = time_elsewhere(sealed_bundle, workload_file, BUNDLES)
    assert timing.examples_per_s > 0
    assert timing.threads == 1


def test_a_bundle_that_cannot_be_timed_is_told_with_its_last_words(tmp_path, workload_file):
    with pytest.raises(SmeltError, match=r"timing ended with code 1: .+"):
        time_elsewhere(tmp_path / "nowhere", workload_file, BUNDLES)


def test_what_races_is_timed_in_turns_each_round_once(tmp_path, timing):
    (tmp_path / "load.json").write_text(json.dumps(dataclasses.asdict(Workload(singles=TEXTS, documents=TEXTS))), encoding="utf-8")
    heard = []

    def clock(folder, load, module):
        heard.append((folder.name, module, read_workload(load).rounds))
        return dataclasses.replace(timing, latency_ms_p50=float(len(heard)))

    laps = []
    entrants = {"one": (tmp_path / "a", "x"), "two": (tmp_path / "b", "y")}
    found = race(entrants, tmp_path / "load.json", tmp_path, 3, clock=clock, tell=laps.append)
    assert heard == [("a", "x", 1), ("b", "y", 1)] * 3
    assert laps == [1, 2, 3]
    assert [found[name].latency_ms_p50 for name in ("one", "two")] == [3.0, 4.0]


def test_what_is_not_timed_in_half_an_hour_is_a_fault(tmp_path, monkeypatch):
    def late(command, **_options):
        raise subprocess.TimeoutExpired(command, 1800)

    monkeypatch.setattr(subprocess, "run", late)
    with pytest.raises(SmeltError, match="more than 30 minutes"):
        time_elsewhere(tmp_path, tmp_path / "load.json", BUNDLES)
