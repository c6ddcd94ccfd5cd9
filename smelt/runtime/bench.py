"""Time a session end to end, tokenization included: batch 1 as a user waits for it, and batches as a job runs them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from smelt.runtime.isa import peak_rss_bytes
from smelt.tasks.classify import ClassifyCodec
from smelt.types import Session, Timing

_WARM_UP = 10
_PASS_SECONDS = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Documents to time on. The same ones for everything that is compared."""

    singles: Sequence[str]
    """Answered one at a time."""
    documents: Sequence[str]
    """Answered in batches, sorted by length."""
    batch: int = 32
    threads: Sequence[int] = (1,)
    """Thread counts to try; the better one counts, separately for latency and throughput."""
    rounds: int = 3
    """Passes over the documents; their median counts."""


@dataclass(frozen=True, slots=True)
class _Pace:
    threads: int
    latencies_ms: np.ndarray
    rates: list[float]


def time_session(open_with: Callable[[int], Session], codec: ClassifyCodec, load: Workload) -> Timing:
    """Measure latency and throughput at each thread count and report the better of each.

    Args:
        open_with: opens the session with a number of threads.
        codec: encodes and decodes.
        load: documents, batch size, thread counts.
    """
    paces = [_pace(open_with(threads), codec, load, threads) for threads in load.threads]
    quick = min(paces, key=lambda pace: float(np.median(pace.latencies_ms)))
    strong = max(paces, key=lambda pace: float(np.median(pace.rates)))
    rate = float(np.median(strong.rates))
    return Timing(
        latency_ms_p50=float(np.percentile(quick.latencies_ms, 50)),
        latency_ms_p99=float(np.percentile(quick.latencies_ms, 99)),
        examples_per_s=rate,
        spread=(max(strong.rates) - min(strong.rates)) / rate,
        batch=load.batch,
        threads=strong.threads,
        latency_threads=quick.threads,
        peak_rss_bytes=peak_rss_bytes(),
    )


def combine(timings: Sequence[Timing]) -> Timing:
    """Return the median of several rounds of one session, with their spread."""
    rates = [timing.examples_per_s for timing in timings]
    rate = float(np.median(rates))
    return replace(
        timings[0],
        latency_ms_p50=float(np.median([timing.latency_ms_p50 for timing in timings])),
        latency_ms_p99=float(np.median([timing.latency_ms_p99 for timing in timings])),
        examples_per_s=rate,
        spread=(max(rates) - min(rates)) / rate,
        peak_rss_bytes=max(timing.peak_rss_bytes for timing in timings),
    )


def _pace(session: Session, codec: ClassifyCodec, load: Workload, threads: int) -> _Pace:
    def answer(texts: Sequence[str]) -> None:
        codec.decode(session.scores(codec.encode(texts)))

    for text in load.singles[:_WARM_UP]:
        answer([text])
    latencies = [_seconds(answer, [text]) * 1000 for text in load.singles]
    ordered = sorted(load.documents, key=len)
    batches = [ordered[start : start + load.batch] for start in range(0, len(ordered), load.batch)]
    for texts in batches[:: max(1, len(batches) // 4)]:
        answer(texts)
    return _Pace(threads, np.array(latencies), [_rate(answer, batches, len(ordered)) for _ in range(load.rounds)])


def _rate(answer: Callable[[Sequence[str]], None], batches: Sequence[Sequence[str]], documents: int) -> float:
    """Documents per second, over as many passes as make the clock trustworthy."""
    started = time.perf_counter()
    passes = 0
    while passes == 0 or time.perf_counter() - started < _PASS_SECONDS:
        for texts in batches:
            answer(texts)
        passes += 1
    return passes * documents / (time.perf_counter() - started)


def _seconds(answer: Callable[[Sequence[str]], None], texts: Sequence[str]) -> float:
    started = time.perf_counter()
    answer(texts)
    return time.perf_counter() - started
