"""`smelt run`, and the stages one by one."""

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from smelt.cli.progress import Progress
from smelt.errors import UsageFault
from smelt.language import say
from smelt.launch.torchrun import is_joined, leads
from smelt.pipeline.judge import CLASSES
from smelt.pipeline.run import Result, Span, run_stages
from smelt.recipe.load import load
from smelt.run.disk import Disk
from smelt.run.folder import RunFolder

NOT_CERTIFIED = 3


def main(options: argparse.Namespace) -> int:
    """Run a recipe; say what came out and what to do next."""
    path = Path(options.recipe)
    recipe = load(path, options.overrides)
    until = "report" if options.command == "run" else options.command
    folder = RunFolder(Path(options.out) if options.out else Path("runs") / recipe.name, Disk())
    if folder.path.is_file():
        raise UsageFault(say("--out {path} is a file, want a folder", path=folder.path))
    started = time.monotonic()
    console = Console(highlight=False, markup=False, emoji=False)
    with Progress(console) as progress:
        result = run_stages(path, recipe, folder, span=Span(options.start, until), watch=progress.watcher())
    if not leads():
        return 0
    _show_times(console, result, time.monotonic() - started)
    if result.told:
        console.print("\n" + result.told, style="bold green", soft_wrap=True)
        console.print(say("weights {path}", path=result.run / "train" / "model"), soft_wrap=True)
        if until == "report":
            console.print(say("report  {path}", path=result.run / "report.html"), soft_wrap=True)
        return 0
    if result.verdict is None:
        console.print(say("{stage} is done: {run}", stage=until, run=result.run))
        return 0
    if recipe.train and recipe.train.report == "classes":
        console.print("\n" + (result.run / CLASSES).read_text(encoding="utf-8"), markup=False, soft_wrap=True)
    show_outcome(console, result, until)
    # torchrun takes every other code for a crash, and starts all again.
    return 0 if result.verdict.certified or is_joined() else NOT_CERTIFIED


def show_outcome(console: Console, result: Result, until: str) -> None:
    """Print the last lines of a run: verdict, and of bundle, report and next command what the run has made."""
    assert result.verdict is not None
    console.print()
    console.print(result.verdict.sentence, style="bold green" if result.verdict.certified else "bold yellow", soft_wrap=True)
    if until == "verify":
        console.print(say("verdict {path}", path=result.run / "verify" / "verdict.json"), soft_wrap=True)
        return
    bundle = result.bundle or result.run / "export" / "reference"
    console.print(say("bundle  {path}", path=bundle), soft_wrap=True)
    if until == "report":
        console.print(say("report  {path}", path=result.run / "report.html"), soft_wrap=True)
    console.print(say("next    smelt predict {path} your-file.csv -o answers.csv", path=bundle), soft_wrap=True)


def _show_times(console: Console, result: Result, total: float) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(say("stage"))
    table.add_column(say("seconds"), justify="right")
    for stage, seconds in result.seconds.items():
        table.add_row(stage, f"{seconds:.1f}")
    table.add_row(say("total"), f"{total:.1f}")
    console.print(table)
