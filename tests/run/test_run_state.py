from pathlib import Path

import pytest

from smelt.run.state import state_folder


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SMELT_STATE": "/a"}, Path("/a")),
        ({"SMELT_STATE": "/a", "XDG_STATE_HOME": "/x"}, Path("/a")),
        ({"XDG_STATE_HOME": "/x"}, Path("/x/smelt")),
        ({"SMELT_STATE": "", "XDG_STATE_HOME": ""}, Path("/home/me/.local/state/smelt")),
        ({"XDG_STATE_HOME": "relative"}, Path("/home/me/.local/state/smelt")),
        ({}, Path("/home/me/.local/state/smelt")),
    ],
)
def test_the_state_folder_is_the_first_place_that_is_set(monkeypatch, variables, expected):
    for name in ("SMELT_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"HOME": "/home/me"}).items():
        monkeypatch.setenv(name, value)
    assert state_folder() == expected
