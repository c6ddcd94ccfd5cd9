"""`smelt bench`: how fast a bundle is on your documents, end to end."""

import argparse
import json
import tempfile
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from smelt.data.stream import open_rows
from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.runtime.bench import Workload, time_session
from smelt.runtime.build import open_session
from smelt.runtime.bundle import open_bundle
from smelt.runtime.clock import Layout, layouts, time_layout
from smelt.runtime.isa import cores, isa
from smelt.runtime.predict import as_text, text_column

_SINGLES, _DOCUMENTS = 200, 2_048


def main(options: argparse.Namespace) -> int:
    """Time the bundle on the file's first documents."""
    if options.batch < 1 or (options.threads is not None and options.threads < 1):
        raise UsageFault(say("--batch and --threads want a whole number of at least 1"))
    bundle = open_bundle(options.bundle, threads=1)
    table = open_rows(Path(options.data))
    column = text_column(table, bundle, options.text)
    texts = list(islice((as_text(value) for batch in table.batches(512) for value in batch.column(column).to_pylist()), _DOCUMENTS))
    if not texts:
        raise DataFault(say("{path}: no rows", path=options.data))
    threads = [options.threads] if options.threads else sorted({1, cores()})
    load = Workload(singles=texts[:_SINGLES], documents=texts, batch=options.batch, threads=threads)
    folder = Path(options.bundle)
    timing = time_session(lambda count: open_session(folder, bundle.manifest, count), bundle.codec, load)
    ways = _serving(folder, load) if options.serving else []
    if options.json:
        facts = {"documents": len(texts), "isa": isa(), "runtime": bundle.manifest.runtime, "layouts": [asdict(way) for way in ways]}
        print(json.dumps(asdict(timing) | facts, indent=2))
        return 0
    print(
        say(
            "{runtime} {precision}: {p50:.2f} ms per document at batch 1 (p99 {p99:.2f}), "
            "{rate:,.0f} documents/s at batch {batch} with {threads} threads",
            runtime=bundle.manifest.runtime,
            precision=bundle.manifest.precision,
            p50=timing.latency_ms_p50,
            p99=timing.latency_ms_p99,
            rate=timing.examples_per_s,
            batch=timing.batch,
            threads=timing.threads,
        )
    )
    for way in ways:
        print(
            say("{workers} × {threads} threads: {rate:,.0f} documents/s", workers=way.workers, threads=way.threads, rate=way.examples_per_s)
        )
    if ways:
        best = max(ways, key=lambda way: way.examples_per_s)
        print(
            say("smelt serve {bundle} --workers {workers} --threads {threads}", bundle=folder, workers=best.workers, threads=best.threads)
        )
    return 0


def _serving(folder: Path, load: Workload) -> list[Layout]:
    """Time every way to share the cores between processes that serve."""
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as place:
        return [time_layout(folder, load, Path(place), workers=workers, threads=threads) for workers, threads in layouts(cores())]
