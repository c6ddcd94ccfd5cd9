"""What Prometheus reads: requests, queue, batches, padding, latencies, answers per label, confidence."""

import os
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from smelt.serve.crew import METRICS
from smelt.serve.shadow import Seen
from smelt.serve.worker import Run

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_RECENT, _MINUTE = 20_000, 60.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Recent:
    """The last requests, for people; Prometheus has its own."""

    def __init__(self) -> None:
        """Begin with none."""
        self._last: deque[tuple[float, float, int]] = deque(maxlen=_RECENT)

    def add(self, ended: float, seconds: float, status: int) -> None:
        """Take a request in.

        Args:
            ended: when, on a clock that only rises.
            seconds: it took.
            status: of its answer.
        """
        self._last.append((ended, seconds, status))

    def look(self) -> dict[str, float]:
        """Return rate, latencies in milliseconds, and the share that was refused, over the last minute."""
        now = time.monotonic()
        kept = [one for one in self._last if one[0] > now - _MINUTE]
        seconds = np.array([one[1] for one in kept]) * 1000
        if not len(kept):
            return {"requests": 0.0, "per_second": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "refused": 0.0}
        return {
            "requests": float(len(kept)), "per_second": len(kept) / max(1.0, now - kept[0][0]),
            "p50_ms": float(np.percentile(seconds, 50)), "p99_ms": float(np.percentile(seconds, 99)),
            "refused": sum(one[2] in (429, 503, 504) for one in kept) / len(kept),
        }  # fmt: skip


class Metrics:
    """The figures of one server process."""

    def __init__(self) -> None:
        """Begin at zero."""
        own, model = CollectorRegistry(), ["model"]
        self.registry, self.recent = own, Recent()
        self.requests = Counter("smelt_requests", "Requests answered, by route and status.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "smelt_request_seconds", "From the request's first byte to the answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self.in_flight = Gauge("smelt_requests_in_flight", "Requests that are being answered.", registry=own, multiprocess_mode="livesum")
        self.waiting = Gauge("smelt_queue_texts", "Texts that wait.", model, registry=own, multiprocess_mode="livesum")
        self.waiting_tokens = Gauge(
            "smelt_queue_tokens", "Tokens of the texts that wait.", model, registry=own, multiprocess_mode="livesum"
        )
        self.queued = Histogram("smelt_queue_seconds", "A text has waited before its batch began.", model, buckets=_SECONDS, registry=own)
        self.inference = Histogram("smelt_batch_seconds", "A batch took.", model, buckets=_SECONDS, registry=own)
        self.texts = Histogram("smelt_batch_texts", "Texts of a batch.", model, buckets=_TEXTS, registry=own)
        self.tokens = Counter("smelt_tokens", "Tokens answered.", model, registry=own)
        self.padding = Counter("smelt_padding_tokens", "Tokens that only filled batches up.", model, registry=own)
        self.labels = Counter("smelt_answers", "Answers, by label.", ["model", "label"], registry=own)
        self.confidence = Histogram("smelt_confidence", "Calibrated confidence of the answers.", model, buckets=_CONFIDENCES, registry=own)
        self.failures = Counter("smelt_failed_batches", "Batches on which the model failed.", model, registry=own)
        self.compared = Gauge(
            "smelt_shadow_compared", "Texts that the reference answered too.", model, registry=own, multiprocess_mode="livesum"
        )
        self.changed_lower = Gauge(
            "smelt_shadow_disagreement_lower",
            "Bound from below of the share answered differently.",
            model,
            registry=own,
            multiprocess_mode="livemax",
        )
        self.changed_upper = Gauge(
            "smelt_shadow_disagreement_upper", "Bound from above of it.", model, registry=own, multiprocess_mode="livemax"
        )
        self.alarm = Gauge(
            "smelt_shadow_alarm",
            "1: more is answered differently than certification bounded.",
            model,
            registry=own,
            multiprocess_mode="livemax",
        )
        self.ready = Gauge("smelt_ready", "1 while the server takes requests.", registry=own, multiprocess_mode="livemax")

    def watch(self, name: str, *, pads: bool) -> Callable[[Run], None]:
        """Return what takes a model's batches in.

        Args:
            name: of the model.
            pads: whether its runtime fills batches up to the longest text.
        """
        queued, inference, texts = self.queued.labels(name), self.inference.labels(name), self.texts.labels(name)
        tokens, padding, confidence = self.tokens.labels(name), self.padding.labels(name), self.confidence.labels(name)

        def hear(run: Run) -> None:
            lengths = np.array([item.tokens for item in run.items])
            texts.observe(len(lengths))
            inference.observe(run.seconds)
            tokens.inc(int(lengths.sum()))
            if pads:
                padding.inc(int(len(lengths) * lengths.max() - lengths.sum()))
            for item in run.items:
                queued.observe(max(0.0, run.started - item.payload.came))
            if run.answers is None:
                self.failures.labels(name).inc()
                return
            for label, sure in zip(run.answers.predictions, run.answers.confidences.tolist(), strict=True):
                self.labels.labels(name, label).inc()
                confidence.observe(sure)

        return hear

    def observe_shadow(self, name: str, seen: Seen) -> None:
        """Write down what the comparison of a model with its reference says."""
        self.compared.labels(name).set(seen.compared)
        self.changed_lower.labels(name).set(seen.bounds.lower)
        self.changed_upper.labels(name).set(seen.bounds.upper)
        self.alarm.labels(name).set(bool(seen.alarm))

    def text(self) -> bytes:
        """Return everything in Prometheus' text format; of all processes, where there are several."""
        if os.environ.get(METRICS) is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)
