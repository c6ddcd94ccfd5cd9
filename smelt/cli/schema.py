"""`smelt schema`: what a recipe may say, for editors and for people."""

import argparse
import json

from smelt.recipe.schema import json_schema, reference


def main(options: argparse.Namespace) -> int:
    """Print the JSON Schema, or the commented reference recipe."""
    print(
        reference() if options.reference else json.dumps(json_schema(), indent=2, ensure_ascii=False), end="" if options.reference else "\n"
    )
    return 0
