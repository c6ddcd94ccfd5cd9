"""`smelt verify`: two predictions files in, a verdict out; or a recipe, up to its verdict."""

import argparse
import json
from dataclasses import asdict

from pydantic import TypeAdapter

from smelt.errors import UsageFault
from smelt.language import say
from smelt.recipe.verify import Requirement

NOT_CERTIFIED = 3
_REQUIREMENT: TypeAdapter[Requirement] = TypeAdapter(Requirement)


def main(options: argparse.Namespace) -> int:
    """Judge; print the sentence, or the whole verdict as JSON."""
    if options.recipe:
        if options.reference or options.candidate:
            raise UsageFault(say("verify takes a recipe, or --reference and --candidate, not both"))
        from smelt.cli.run import main as run

        return run(options)
    if not (options.reference and options.candidate):
        raise UsageFault(
            say("verify wants --reference and --candidate, or a recipe"),
            step=say("Example: smelt verify --reference a.jsonl --candidate b.jsonl --margin 1.0"),
        )
    from smelt.verify.files import verify
    from smelt.verify.perplexity import are_guesses, compare_files

    if are_guesses(options.reference):
        if options.also or options.unlabeled:
            raise UsageFault(say("--also and --unlabeled are for answers; these are guesses of a language model"))
        change, told = compare_files(options.reference, options.candidate, options.confidence)
        print(json.dumps(asdict(change), indent=2) if options.json else told)
        return 0

    verdict = verify(
        options.reference, options.candidate, margin=options.margin, confidence=options.confidence, unlabeled=options.unlabeled,
        also=[requirement(text) for text in options.also],
    )  # fmt: skip
    print(json.dumps(asdict(verdict), indent=2, ensure_ascii=False) if options.json else verdict.sentence)
    return 0 if verdict.certified else NOT_CERTIFIED


def requirement(text: str) -> Requirement:
    """Read one `--also`.

    Raises:
        UsageFault: it is none of the known kinds, or its points are no number in range.
    """
    what, _, points = text.rpartition("=")
    kind, _, label = what.partition(":")
    values = {"kind": kind} | ({"label": label} if label else {})
    try:
        return _REQUIREMENT.validate_python(values | {"margin_points": float(points)})
    except ValueError as error:
        raise UsageFault(
            say("--also {text}: cannot be read", text=text),
            step=say("Write KIND=POINTS, such as macro_f1=1.5, auroc=1.0, recall=2.0 or recall:spam=2.0. Costs need a recipe."),
        ) from error
