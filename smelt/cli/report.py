"""`smelt report`: write the page of a run again."""

import argparse
from pathlib import Path

from smelt.report.page import write_report
from smelt.run.disk import Disk


def main(options: argparse.Namespace) -> int:
    """Write RUN/report.html and print its path."""
    print(write_report(Path(options.run), Disk()))
    return 0
