"""`smelt verify`: two predictions files in, a verdict out; or a recipe, up to its verdict."""

import argparse
import json
from dataclasses import asdict

from smelt.errors import UsageFault
from smelt.language import say

NOT_CERTIFIED = 3


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

    verdict = verify(
        options.reference, options.candidate, margin=options.margin, confidence=options.confidence, unlabeled=options.unlabeled
    )
    print(json.dumps(asdict(verdict), indent=2, ensure_ascii=False) if options.json else verdict.sentence)
    return 0 if verdict.certified else NOT_CERTIFIED
