"""`smelt compress`: the stage of a recipe, or the whole job for a classifier that was fine-tuned elsewhere, without a recipe."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from smelt.cli import run
from smelt.cli.init import facts_of, tell_unlabelled
from smelt.data.inspect import inspect
from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.models.folder import own_length
from smelt.pipeline.answer import answer_file
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
    if options.unlabeled and options.label:
        raise UsageFault(
            say("--label and --unlabeled exclude each other"), step=say("Give --label for data with labels, --unlabeled for data without.")
        )
    model = Path(options.model)
    if not model.is_dir():
        raise DataFault(
            say("{path}: no such folder", path=model), step=say("Name the folder of a fine-tuned classifier, with config.json in it.")
        )
    name = run_name(model.resolve().name)
    folder = Path(options.out) if options.out else Path("runs") / name
    target = folder / "recipe.yaml"
    data = _answered(options, model, folder) if options.unlabeled else Path(options.data)
    found = inspect(data, options.text, "prediction" if options.unlabeled else options.label)
    tell_unlabelled(found)
    facts = facts_of(found, os.path.relpath(data, folder))
    facts = replace(facts, weights=os.path.relpath(model, folder), answered=options.unlabeled, reads=own_length(model))
    write_file(target, scaffold(facts, name=name, recipe=str(target)).encode(), Disk())
    options.recipe, options.out, options.command = str(target), str(folder), "run"
    return run.main(options)


def _answered(options: argparse.Namespace, model: Path, folder: Path) -> Path:
    """Let the model answer the texts; return the file with its answers, which stands until the model or the texts change."""
    source, target = Path(options.data), folder / "answered.parquet"
    if not source.is_file():
        raise DataFault(
            say("{path}: no such file", path=source), step=say("--unlabeled takes one csv, tsv, jsonl or parquet file, not a folder.")
        )
    newest = max(path.stat().st_mtime_ns for path in (source, *model.iterdir()))
    if not target.is_file() or target.stat().st_mtime_ns < newest:
        answer_file(model, source, target, options.text)
    return target
