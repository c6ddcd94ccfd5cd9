"""`smelt check`: faults of recipe and data, what can be certified, how long it takes. Trains nothing."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from smelt.language import say
from smelt.pipeline.context import resolve_paths
from smelt.pipeline.preview import Preview, preview
from smelt.recipe.load import load
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import ClassifyTask, LanguageTask


def main(options: argparse.Namespace) -> int:
    """Check; print what was found."""
    path = Path(options.recipe)
    recipe = resolve_paths(load(path, options.overrides), path.resolve().parent)
    if not isinstance(recipe.task, ClassifyTask):
        return _check_language(recipe, recipe.task, options)
    found = preview(recipe)
    if options.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    _show_data(console, found)
    _show_reach(console, found)
    console.print(found.advice, soft_wrap=True)
    _show_estimate(console, found)
    console.print(say("next    smelt run {recipe}", recipe=options.recipe), soft_wrap=True)
    return 0


def _check_language(recipe: Recipe, task: LanguageTask, options: argparse.Namespace) -> int:
    from smelt.pipeline.language_preview import preview_language

    found = preview_language(recipe, task)
    if options.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    for line in found.told():
        console.print(line, soft_wrap=True)
    for warning in found.warnings:
        console.print(say("warning: {warning}", warning=warning), style="yellow", markup=False, soft_wrap=True)
    console.print(say("next    smelt run {recipe}", recipe=options.recipe), soft_wrap=True)
    return 0


def _show_data(console: Console, found: Preview) -> None:
    counts = say("train {train:,}, dev {dev:,}, confirm {confirm:,} rows; {labels} labels", labels=len(found.labels), **found.rows)
    console.print(counts, soft_wrap=True)
    least = min(found.labels, key=lambda label: found.labels[label])
    most = max(found.labels, key=lambda label: found.labels[label])
    console.print(
        say(
            "labels from {least!r} ({few:,} rows) to {most!r} ({many:,} rows)",
            least=least,
            few=found.labels[least],
            most=most,
            many=found.labels[most],
        ),
        markup=False,
        soft_wrap=True,
    )
    if any(found.dropped.values()) or found.bad_rows:
        console.print(
            say("left out: {bad:,} bad rows, {repeats:,} repeats in train, "
                "{train:,} of train and {dev:,} of dev that stand in another split",
                bad=found.bad_rows, repeats=found.dropped["inside_train"], train=found.dropped["train"], dev=found.dropped["dev"]),
            soft_wrap=True,
        )  # fmt: skip
    for warning in found.warnings:
        console.print(say("warning: {warning}", warning=warning), style="yellow", markup=False, soft_wrap=True)


def _show_reach(console: Console, found: Preview) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in (
        say("answers changed"),
        say("margin that confirm certifies"),
        say("rows for a margin of {margin}", margin=found.margin_points),
    ):
        table.add_column(heading, justify="right")
    for reach in found.reach:
        rows = f"{reach.needed_rows:,}" if reach.needed_rows else "-"
        table.add_row(f"{reach.disagreement:.0%}", say("{points:.2f} points", points=reach.certifiable_points), rows)
    console.print(table)
    if not found.certifiable:
        console.print(
            say("Confirm is small for a margin of {margin}: a student that changes 4 % of the answers and loses nothing "
                "would likely not be certified. "
                "Take more confirm rows, a wider verify.margin_points, or expect int8 of the reference only.", margin=found.margin_points),
            style="yellow", soft_wrap=True,
        )  # fmt: skip


def _show_estimate(console: Console, found: Preview) -> None:
    if found.estimate is None:
        console.print(say("no time estimate: nothing is trained, or the packages for training are not installed"), soft_wrap=True)
        return
    estimate = found.estimate
    console.print(
        say("about {minutes:.0f} minutes for the reference ({epochs} epochs in {precision}), "
            "about {total:.0f} with the students, by measured speed",
            minutes=estimate.reference_minutes, epochs=estimate.epochs, precision=estimate.precision, total=estimate.total_minutes),
        soft_wrap=True,
    )  # fmt: skip
