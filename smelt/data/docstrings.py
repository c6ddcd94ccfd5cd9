"""Paragraphs of prose from the docstrings of installed packages. The packages are read as text, never imported."""

import ast
import gc
import hashlib
import importlib.util
import re
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from smelt.data.rows import Part, Record, Reject, Row, Source, check_row
from smelt.data.splits import named_splits
from smelt.errors import DataFault, EnvironmentFault
from smelt.language import say
from smelt.recipe.data import DocstringsData

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "PyYAML", "cv2": "opencv-python", "bs4": "beautifulsoup4"}
"""What pip calls a package, where that is not its import name."""
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
_BLANK_LINE = re.compile(r"\n\s*\n")
_LETTERS_SHARE = 0.85
"""Share of letters and spaces below which a paragraph is no prose."""
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def open_docstrings(section: DocstringsData) -> Source:
    """Read all packages. Equal paragraphs count once; those of two packages count for none.

    Raises:
        DataFault: a name is no import name, or a named split is asked for.
        EnvironmentFault: a package is not installed.
    """
    named = next((name for role, name in named_splits(section.splits).items() if role != "train" or name != "train"), None)
    if named is not None:
        raise DataFault(
            say("data.splits: docstrings have no split '{name}'", name=named), step=say("Give shares, such as dev: 0.1 and confirm: 0.2.")
        )
    owners: dict[str, str | None] = {}
    unread = 0
    with _without_collector():
        for package in section.packages:
            for file in _python_files(package):
                paragraphs = read_paragraphs(file)
                unread += paragraphs is None
                for text in paragraphs or ():
                    if section.min_characters <= len(text) <= section.max_characters and owners.setdefault(text, package) != package:
                        owners[text] = None
    notes = (say("{n} source files could not be parsed", n=unread),) if unread else ()
    return Source({"train": Part("docstrings", partial(_rows, owners), notes)})


def read_paragraphs(file: Path) -> list[str] | None:
    """Return the paragraphs of prose in a Python file's docstrings, lines joined; None if it does not parse.

    A paragraph stands between blank lines, is mostly letters, and shows no interpreter session.
    """
    source = file.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    texts = [ast.get_docstring(node) for node in _statements(tree) if isinstance(node, _Documented)]
    return [paragraph for text in texts if text for paragraph in _prose(text)]


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare the passes of the garbage collector over syntax trees: they take a third of the time and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Visit statements in no order of meaning; expressions hold no docstrings."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody", "handlers") and isinstance(value, list):
                todo.extend(value)


def _prose(docstring: str) -> Iterator[str]:
    for paragraph in _BLANK_LINE.split(docstring):
        text = " ".join(line.strip() for line in paragraph.splitlines()).strip()
        letters = sum(character.isalpha() or character == " " for character in text)
        if ">>>" not in text and letters >= _LETTERS_SHARE * len(text) > 0:
            yield text


def _rows(owners: dict[str, str | None]) -> Iterator[Row | Reject]:
    for number, (text, package) in enumerate(owners.items(), 1):
        if package is not None:
            row_id = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            yield check_row("docstrings", row_id, Record(number, [text, package]))


def _python_files(package: str) -> list[Path]:
    root = Path(sysconfig.get_path("stdlib")) if package == "stdlib" else _root(package)
    if root.is_file():
        return [root]
    return sorted(path for path in root.rglob("*.py") if not _SKIPPED.intersection(path.relative_to(root).parts))


def _root(package: str) -> Path:
    """Find the folder of a package, or the file of a module, without importing it: only a dotted name would import its parent."""
    if not package.isidentifier():
        raise DataFault(
            say("data.packages: '{package}' is no import name", package=package), step=say("Give names as in `import name`, without dots.")
        )
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:
        spec = None
    # A package that is loaded already may have put Path objects there.
    places = [Path(place) for place in (*(spec.submodule_search_locations or ()), spec.origin or "")] if spec else []
    root = next((place for place in places if place.suffix == ".py" or place.is_dir()), None)
    if root is None:
        raise EnvironmentFault(
            say("data.packages: '{package}' is not installed", package=package),
            step=say("pip install {name}, or leave it out.", name=_DISTRIBUTIONS.get(package, package)),
        )
    return root
