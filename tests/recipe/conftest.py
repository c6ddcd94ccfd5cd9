"""Messages are compared in English, whatever the machine speaks."""

import pytest


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMELT_LANG", "en")
