"""`smelt predict`: a bundle answers a file."""

import argparse
import sys
import time
from pathlib import Path

from smelt.language import say
from smelt.runtime.bundle import open_bundle
from smelt.runtime.predict import predict_file

_WORTH_TELLING = 0.01


def main(options: argparse.Namespace) -> int:
    """Answer the file; say how many rows and how fast."""
    bundle = open_bundle(options.bundle, threads=options.threads)
    started = time.perf_counter()

    def watch(rows: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{rows:,} rows, {rows / (time.perf_counter() - started):,.0f}/s", end="", file=sys.stderr)

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
