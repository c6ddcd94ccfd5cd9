"""`smelt init`: look at the data, write a short recipe."""

import argparse
import os
from pathlib import Path

from smelt.data.inspect import Inspection, inspect
from smelt.errors import UsageFault
from smelt.language import say
from smelt.recipe.scaffold import DataFacts, run_name, scaffold
from smelt.run.disk import Disk, write_file

_MOSTLY_OTHER = 0.3
"""Share of characters of another alphabet above which texts are not taken for English. Fraction."""


def main(options: argparse.Namespace) -> int:
    """Write DIR/recipe.yaml unless there is one."""
    folder = Path(options.folder)
    target = folder / "recipe.yaml"
    if target.exists() or folder.is_file():
        raise UsageFault(
            say("{path} exists and is not overwritten", path=target if target.exists() else folder),
            step=say("Give another folder, or remove it first."),
        )
    if options.task != "classify" and options.label:
        raise UsageFault(say("--label is for task classify; a language task reads no labels"))
    found = inspect(Path(options.data), options.text, options.label, labelled=options.task == "classify")
    facts = facts_of(found, os.path.relpath(options.data, folder))
    text = scaffold(facts, name=run_name(folder.resolve().name), recipe=str(target))
    write_file(target, text.encode(), Disk())
    if found.label:
        print(
            say(
                "{path}: {rows:,} rows, text in '{text}', {labels} labels in '{label}'",
                path=target, rows=found.rows, text=found.text, labels=len(found.labels), label=found.label,
            )
        )  # fmt: skip
    else:
        print(say("{path}: {rows:,} documents in '{text}'", path=target, rows=found.rows, text=found.text))
    if found.bad_rows:
        print(say("{n:,} rows cannot be used; `smelt check` shows them", n=found.bad_rows))
    tell_unlabelled(found)
    print(say("next    smelt check {recipe}", recipe=target))
    return 0


def tell_unlabelled(found: Inspection) -> None:
    """Say which files of a folder are not used."""
    for name in found.unlabelled:
        print(say("{name}: no labels in it, so it is not used; a share of train takes its place", name=name))


def facts_of(found: Inspection, path: str) -> DataFacts:
    """Return what a recipe is written from."""
    return DataFacts(
        path=path,
        text=found.text,
        label=found.label,
        rows=found.rows,
        labels=len(found.labels),
        characters_p50=found.characters_p50,
        characters_p95=found.characters_p95,
        cjk_share=found.cjk_share,
        english=found.other_share <= _MOSTLY_OTHER,
        train=found.train,
        dev=found.dev,
        confirm=found.confirm,
    )
