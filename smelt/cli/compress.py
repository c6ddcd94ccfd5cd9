"""`smelt compress`: the stage of a recipe, or the whole job for a classifier that was fine-tuned elsewhere, without a recipe."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from smelt.cli import run
from smelt.cli.init import facts_of
from smelt.data.inspect import inspect
from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.recipe.scaffold import run_name, scaffold
from smelt.run.disk import Disk, write_file


def main(options: argparse.Namespace) -> int:
    """Run a recipe up to `compress`; or write a recipe for `--model` and `--data` into the run folder, and run all of it."""
    if options.recipe and not (options.model or options.data):
        return run.main(options)
    if options.recipe or not (options.model and options.data):
        raise UsageFault(
            say("compress wants a RECIPE, or --model and --data"),
            step=say("Write: smelt compress --model FOLDER --data FILE --out RUN"),
        )
    model = Path(options.model)
    if not model.is_dir():
        raise DataFault(
            say("{path}: no such folder", path=model), step=say("Name the folder of a fine-tuned classifier, with config.json in it.")
        )
    name = run_name(model.resolve().name)
    folder = Path(options.out) if options.out else Path("runs") / name
    target = folder / "recipe.yaml"
    found = inspect(Path(options.data), options.text, options.label)
    facts = replace(facts_of(found, os.path.relpath(options.data, folder)), weights=os.path.relpath(model, folder))
    write_file(target, scaffold(facts, name=name, recipe=str(target)).encode(), Disk())
    options.recipe, options.out, options.command = str(target), str(folder), "run"
    return run.main(options)
