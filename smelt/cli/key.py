"""`smelt key`: make an API key for `smelt serve`."""

import argparse
import sys
from pathlib import Path

from smelt.language import say
from smelt.serve.keys import make_key


def main(options: argparse.Namespace) -> int:
    """Add a key to the file; print its secret, once."""
    print(make_key(Path(options.file), options.name, tuple(options.scope or ("predict",))))
    print(say("kept as a hash in {file}; the key itself is shown only now", file=options.file), file=sys.stderr)
    return 0
