"""What holds for every command: exit codes, where things are printed, languages."""

import subprocess
import sys

import pytest

COMMANDS = ("init", "check", "run", "train", "compress", "export", "verify", "predict", "bench", "report", "doctor", "schema")


def test_help_lists_every_command(smelt):
    done = smelt("--help")
    assert (done.code, done.err) == (0, "")
    assert [command for command in COMMANDS if f"\n    {command} " not in done.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(smelt, command):
    done = smelt(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: smelt {command}")


@pytest.mark.parametrize(
    "arguments",
    [(), ("smell",), ("run",), ("predict", "bundle"), ("check", "recipe.yaml", "--fast"), ("bench", "b", "--data", "x", "--batch", "many")],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_2_and_shows_the_usage(smelt, arguments):
    done = smelt(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: smelt")


def test_the_version_is_printed(smelt):
    done = smelt("--version")
    assert (done.code, done.out) == (0, "smelt 0.1.0\n")


@pytest.mark.parametrize(
    "arguments", [("run", "no.yaml"), ("check", "no.yaml"), ("predict", "no", "no.csv", "-o", "x.csv"), ("report", "no")]
)
def test_faults_are_told_on_stderr_without_a_traceback(smelt, arguments):
    done = smelt(*arguments)
    assert done.code > 0
    assert done.out == ""
    assert done.err.startswith("smelt: ")
    assert "Traceback" not in done.err


def test_a_report_of_no_run_is_2(smelt):
    assert smelt("report", "no").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("check", "no.yaml"),
        ("verify",),
        ("verify", "--reference", "a.jsonl", "--candidate", "b.jsonl"),
        ("predict", "no", "no.csv", "-o", "x.csv"),
        ("init", ".", "--data", "no.csv"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_chinese_messages_end_with_the_same_code(smelt, monkeypatch, arguments):
    english = smelt(*arguments)
    monkeypatch.setenv("SMELT_LANG", "zh")
    chinese = smelt(*arguments)
    assert chinese.code == english.code
    assert "Traceback" not in chinese.err


def test_chinese_is_written_as_utf_8_whatever_the_locale(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "smelt", "check", str(tmp_path / "none.yaml")],
        capture_output=True,
        env={"SMELT_LANG": "zh", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 2
    assert not done.stderr.decode("utf-8").isascii()
