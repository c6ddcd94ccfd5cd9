"""The rules of the house that a machine can hold: sizes, names, imports, forbidden calls."""

import ast
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "smelt").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE_LINES = 500
MAX_BODY_LINES = 40
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}
UNSAFE_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "compile", "torch.load", "os.system", "os.popen", "np.load", "numpy.load", "importlib.reload"}
UNSAFE_KEYWORDS = {"shell", "trust_remote_code", "allow_pickle"}

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())


def tree_of(path):
    with tokenize.open(path) as stream:
        return ast.parse(stream.read())


def body_lines(function):
    """Lines of a function below its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_has_at_most_500_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@every_source
def test_a_function_body_has_at_most_40_lines(path):
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {node.name: body_lines(node) for node in functions if body_lines(node) > MAX_BODY_LINES} == {}


@every_source
def test_a_module_is_named_for_what_it_does(path):
    assert not FORBIDDEN_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", sorted((ROOT / "smelt").glob("*/**/__init__.py")), ids=lambda path: path.parent.name)
def test_the_init_file_of_a_room_holds_a_docstring_only(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@every_source
def test_imports_are_absolute(path):
    assert [node.module for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom) and node.level] == []


@every_source
def test_nothing_that_can_run_foreign_code_is_imported(path):
    imported = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    assert not imported & UNSAFE_MODULES


@every_source
def test_nothing_that_can_run_foreign_code_is_called(path):
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    named = {ast.unparse(call.func) for call in calls}
    opened = {
        keyword.arg
        for call in calls
        for keyword in call.keywords
        if keyword.arg in UNSAFE_KEYWORDS and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    }
    assert not named & UNSAFE_CALLS
    assert not opened


def test_every_room_has_an_init_file():
    rooms = {path.parent for path in SOURCES}
    assert [room.name for room in rooms if not (room / "__init__.py").is_file()] == []


def test_test_files_have_unique_names():
    names = [path.name for path in TESTS if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
