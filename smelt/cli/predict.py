"""`smelt predict`: a bundle answers a file."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from smelt.language import say
from smelt.launch.cluster import cluster, map_in_order
from smelt.runtime.bundle import open_bundle
from smelt.runtime.predict import Part, answer_texts, predict_file

_WORTH_TELLING = 0.01


def _answerer(folder: str, threads: int) -> Callable[[list[str]], Part]:
    """Open the bundle in a process of a cluster."""
    bundle = open_bundle(folder, threads=threads)
    return lambda texts: answer_texts(bundle, texts)


def main(options: argparse.Namespace) -> int:
    """Answer the file; say how many rows and how fast."""
    bundle = open_bundle(options.bundle, threads=options.threads)
    started = time.perf_counter()

    def watch(rows: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{rows:,} rows, {rows / (time.perf_counter() - started):,.0f}/s", end="", file=sys.stderr)

    if options.ray:
        with cluster(options.ray) as ray:
            threads = options.threads or 1
            make = partial(_answerer, str(Path(options.bundle).resolve()), threads)
            done = predict_file(
                bundle, Path(options.input), Path(options.output), column=options.text, watch=watch,
                answer=lambda chunks: map_in_order(ray, make, chunks, threads),
            )  # fmt: skip
    else:
        done = predict_file(bundle, Path(options.input), Path(options.output), column=options.text, watch=watch)
    seconds = time.perf_counter() - started
    if sys.stderr.isatty():
        print(file=sys.stderr)
    rate = done.rows / max(seconds, 1e-9)
    print(say("{output}: {rows:,} rows, {rate:,.0f} rows/s", output=options.output, rows=done.rows, rate=rate))
    if done.empty:
        print(say("{n:,} rows have no text in column {column}", n=done.empty, column=done.column), file=sys.stderr)
    if done.unknown_share > _WORTH_TELLING:
        print(
            say("{share:.1%} of the tokens are unknown to the model: does it read this language?", share=done.unknown_share),
            file=sys.stderr,
        )
    return 0
