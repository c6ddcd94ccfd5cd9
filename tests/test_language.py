import pytest

from smelt.language import language, say

LOCALE = ("SMELT_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def locale(monkeypatch):
    def put(**values):
        for name in LOCALE:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "zh"),
        ({"LC_ALL": "en_US.UTF-8", "SMELT_LANG": "zh"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_the_language_is_that_of_the_first_variable_that_is_set(locale, values, expected):
    locale(**values)
    assert language() == expected


def test_a_template_without_translation_stays_english(locale):
    locale(SMELT_LANG="zh")
    assert say("{n} unheard-of words", n=3) == "3 unheard-of words"


def test_a_value_with_braces_is_not_read_as_a_template(locale):
    locale(SMELT_LANG="en")
    assert say("got '{found}'", found="{x} {{") == "got '{x} {{'"


def test_a_value_may_be_named_template():
    assert say("{template}", template="t") == "t"
