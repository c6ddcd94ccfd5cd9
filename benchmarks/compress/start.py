"""What the benchmarks of compression begin with: options that name the data, and one trained reference."""

import argparse
import sys
from pathlib import Path

from smelt.cli.main import main as smelt


def options(description: str, *, name: str, quick: str) -> argparse.Namespace:
    """Read the command line; results go to runs/<name>/<data> by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="file or folder, as for smelt init")
    parser.add_argument("--text", help="column of the documents")
    parser.add_argument("--label", help="column of the labels")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="a.b=c", help="change one value of the recipe")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path)
    found = parser.parse_args()
    found.out = found.out or Path("runs") / name / found.data.stem
    return found


def train(found: argparse.Namespace) -> Path:
    """Write the recipe that `init` proposes and train its reference; return the run, which stands beside `recipe.yaml`."""
    found.out.mkdir(parents=True, exist_ok=True)
    recipe, run = found.out / "recipe.yaml", found.out / "start"
    if not recipe.exists():
        call("init", str(found.out), "--data", str(found.data), *columns(found))
    call("train", str(recipe), "--out", str(run), *flags(found.settings))
    return run


def columns(found: argparse.Namespace) -> list[str]:
    """Return the flags that name the columns."""
    return [word for name in ("text", "label") if getattr(found, name) for word in (f"--{name}", getattr(found, name))]


def flags(settings: list[str]) -> list[str]:
    """Return the flags that change the recipe."""
    return [word for setting in settings for word in ("--set", setting)]


def call(*words: str) -> None:
    """Run a command of smelt; end with its code if it failed. Not certified is no failure."""
    code = smelt(list(words))
    if code not in (0, 3):
        sys.exit(code)
