"""Docstrings of packages that are made up here, and of the standard library."""

import sys

import pytest

from smelt.data.docstrings import open_docstrings, read_paragraphs
from smelt.errors import DataFault, EnvironmentFault
from smelt.recipe.data import DocstringsData, Splits

LONG = "This paragraph is long enough to be kept, since it tells at some length what a function does, how it does so, and what for."


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages and a module that must not be imported."""
    for name, texts in {"alpha_pkg": [LONG, LONG + " Alpha."], "beta_pkg": [LONG, LONG + " Beta.", LONG + " Beta."]}.items():
        (tmp_path / name / "tests").mkdir(parents=True)
        functions = "".join(f'def f{number}():\n    """{text}"""\n' for number, text in enumerate(texts))
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')\n" + functions, encoding="utf-8")
        (tmp_path / name / "tests" / "test_x.py").write_text(f'"""{LONG} Tests of {name}."""\n', encoding="utf-8")
    (tmp_path / "gamma_mod.py").write_text(f'"""{LONG} Gamma."""\nraise RuntimeError', encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def rows(*packages, **fields):
    return list(open_docstrings(DocstringsData(packages=packages, **fields)).parts["train"].rows())


def test_the_label_is_the_package_and_shared_texts_are_dropped(packages):
    assert [(row.text, row.label) for row in rows("alpha_pkg", "beta_pkg")] == [
        (LONG + " Alpha.", "alpha_pkg"),
        (LONG + " Beta.", "beta_pkg"),
    ]


def test_nothing_is_imported(packages):
    rows("alpha_pkg", "gamma_mod")
    assert not {"alpha_pkg", "gamma_mod"} & set(sys.modules)


def test_a_module_without_a_folder_is_read(packages):
    assert rows("alpha_pkg", "gamma_mod")[-1].text == LONG + " Gamma."


def test_ids_depend_on_the_text_alone(packages):
    first, second = rows("alpha_pkg", "beta_pkg"), rows("beta_pkg", "alpha_pkg")
    assert {row.id for row in first} == {row.id for row in second}
    assert all(len(row.id) == 16 for row in first)


def test_lengths_are_bounded(packages):
    assert rows("alpha_pkg", "beta_pkg", min_characters=len(LONG) + 7) == rows("alpha_pkg", "beta_pkg")[:1]
    assert rows("alpha_pkg", "beta_pkg", max_characters=len(LONG) + 5) == []


def test_a_file_that_does_not_parse_is_counted(packages):
    (packages / "alpha_pkg" / "old.py").write_text('print "python 2"\n"""x"""\n', encoding="utf-8")
    assert open_docstrings(DocstringsData(packages=("alpha_pkg", "beta_pkg"))).parts["train"].notes == (
        "1 source files could not be parsed",
    )


def test_paragraphs_are_prose_on_one_line(tmp_path):
    (tmp_path / "a.py").write_text(
        'class A:\n    """First words\n    go on.\n\n    >>> run a session of words\n\n    ======  =====\n\n    Last words.\n    """\n',
        encoding="utf-8",
    )
    assert read_paragraphs(tmp_path / "a.py") == ["First words go on.", "Last words."]


def test_a_file_that_nests_too_deep_is_skipped(tmp_path):
    (tmp_path / "a.py").write_text('"""x"""\n' + "(" * 50_000, encoding="utf-8")
    assert read_paragraphs(tmp_path / "a.py") is None


def test_a_missing_package_names_the_pip_command(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    with pytest.raises(EnvironmentFault, match=r"'sklearn' is not installed\n  pip install scikit-learn"):
        rows("sklearn", "networkx")


@pytest.mark.parametrize("name", ["a.b", "../x", "", "a b"])
def test_only_import_names_are_taken(name):
    with pytest.raises(DataFault, match="is no import name"):
        rows(name, "stdlib")


def test_docstrings_have_no_splits_of_their_own():
    with pytest.raises(DataFault, match="docstrings have no split 'test'"):
        rows("stdlib", "networkx", splits=Splits(confirm="test"))
