"""What importing does: nothing, quickly; and the three public names stay callable whatever was imported before."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "pyarrow", "pydantic", "torch", "transformers", "sklearn", "onnxruntime", "openvino")


def in_a_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_smelt_loads_nothing_heavy():
    assert in_a_new_process(f"import sys, smelt; print(*[name for name in {HEAVY} if name in sys.modules])") == []


@pytest.mark.parametrize("module", ["smelt.language", "smelt.errors", "smelt.types", "smelt.run.folder"])
def test_the_words_load_nothing_heavy(module):
    assert in_a_new_process(f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])") == []


def test_opening_bundles_does_not_load_torch():
    assert in_a_new_process("import sys, smelt; smelt.load; print(*{'torch', 'transformers'} & set(sys.modules))") == []


@pytest.mark.parametrize("before", ["smelt", "smelt.run.disk", "smelt.verify.tango", "smelt.run.folder, smelt.verify.files"])
def test_the_public_names_can_be_called_whatever_was_imported_before(before):
    code = f"import {before}\nimport smelt\nprint(*[callable(getattr(smelt, name)) for name in smelt.__all__])"
    assert in_a_new_process(code) == ["True", "True", "True"]


@pytest.mark.parametrize("name", ["run", "verify"])
def test_a_callable_room_is_still_a_room(name):
    code = f"import smelt, importlib\nroom = importlib.import_module('smelt.{name}')\nprint(room is smelt.{name}, bool(room.__path__))"
    assert in_a_new_process(code) == ["True", "True"]


def test_a_name_that_is_not_public_is_an_attribute_error():
    import smelt

    with pytest.raises(AttributeError, match="'smelt' has no attribute 'predict'"):
        _ = smelt.predict


def test_verify_judges_two_files(tmp_path):
    import smelt

    lines = "".join(f'{{"id": "{row}", "label": "a", "prediction": "a"}}\n' for row in range(300))
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    assert smelt.verify(tmp_path / "a.jsonl", tmp_path / "a.jsonl", margin=1.0).certified
