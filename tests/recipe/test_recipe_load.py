"""Every fault of a recipe at once, each at its place, in words."""

from pathlib import Path

import pytest

from smelt.errors import RecipeFaults, UsageFault
from smelt.recipe.load import from_dict, load
from smelt.recipe.recipe import Recipe

_DATA = "data:\n  kind: files\n  path: x.csv\n"
_TASK = "task:\n  kind: classify\n"
_SMALL = _DATA + _TASK


def _load(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, overrides)


def _faults(folder, text, *overrides):
    with pytest.raises(RecipeFaults) as caught:
        _load(folder, text, *overrides)
    return [(fault.line, fault.column, fault.path, fault.message) for fault in caught.value.faults]


def test_the_smallest_recipe_loads(tmp_path):
    recipe = _load(tmp_path, _SMALL)
    assert (recipe.data.kind, recipe.train, recipe.budget_minutes) == ("files", None, 45.0)


def test_whole_numbers_serve_as_numbers_and_lists_as_tuples(tmp_path):
    recipe = _load(tmp_path, _SMALL + "budget_minutes: 3\ncompress:\n  students: [{kind: cnn, kernels: [2, 5]}]\n")
    assert recipe.budget_minutes == 3.0
    assert recipe.compress.students[0].kernels == (2, 5)


def test_a_recipe_written_out_reads_back_equal(tmp_path):
    recipe = _load(tmp_path, _SMALL + "train: {}\ncompress:\n  students: [{kind: depth, layers: 2}]\n")
    assert from_dict(recipe.model_dump()) == recipe
    assert from_dict(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("trian: {}\n", (6, 1, "trian", "unknown key. Did you mean 'train'?")),
        ("train:\n  batch_sise: 3\n", (7, 3, "train.batch_sise", "unknown key. Did you mean 'batch_examples'?")),
        ("train:\n  epochs: ten\n", (7, 11, "train.epochs", "got 'ten', want a whole number of at least 1, or 'auto'")),
        ("train: {seed: true}\n", (6, 15, "train.seed", "got true, want a whole number of at least 0")),
        ("train: {seed: 1.0}\n", (6, 15, "train.seed", "got 1.0, want a whole number of at least 0")),
        ("train: {seed: '1'}\n", (6, 15, "train.seed", "got '1', want a whole number of at least 0")),
        ("train: {clip_norm: .inf}\n", (6, 20, "train.clip_norm", "got inf, want a number above 0")),
        ("train: {refit: yes}\n", (6, 16, "train.refit", "got 'yes', want true or false")),
        ("train: {precision: FP32}\n", (6, 20, "train.precision", "got 'FP32', want one of: auto, fp32, bf16. Did you mean 'fp32'?")),
        ("train: {precision: int8}\n", (6, 20, "train.precision", "got 'int8', want one of: auto, fp32, bf16")),
        ("train:\n", (6, 1, "train", None)),
        ("train: 3\n", (6, 8, "train", None)),
        ("verify: {confidence: 1}\n", (6, 22, "verify.confidence", "got 1, want a number above 0.5 and below 1")),
        ("verify: {candidates: 4}\n", (6, 22, "verify.candidates", "got 4, want a whole number of at least 1 and of at most 3")),
        ("train: {temperature: 2}\n", (6, 9, "train.temperature", "unknown key. 'temperature' belongs to compress.distill")),
        ("train: {verify: 2}\n", (6, 9, "train.verify", "unknown key. 'verify' belongs to the top level")),
        (
            "model: {kind: cnn, weights: x}\n",
            (6, 20, "model.weights", "unknown key. 'weights' belongs to model (kind: transformer), model.encoder (kind: transformer)"),
        ),
        ("train: {batch_size: 9}\n", (6, 9, "train.batch_size", "unknown key. Did you mean 'batch_examples'?")),
        ("compress: {students: [{kind: nn, cell: gru}]}\n", (6, 30, "compress.students.0.kind", None)),
        ("train: {lr: 1}\n", (6, 9, "train.lr", "unknown key. 'learning_rate' belongs to train.optimizer (kind: adamw, sgd)")),
        ("track: {foo: 1, kind: none}\n", (6, 9, "track.foo", "unknown key, want one of: kind")),
        ("track: {knd: none}\n", (6, 9, "track.knd", "unknown key. Did you mean 'kind'?")),
        ("track: {}\n", (6, 1, "track.kind", "missing, want one of: none, tensorboard")),
        ("track: {kind: nonne}\n", (6, 15, "track.kind", "got 'nonne', want one of: none, tensorboard. Did you mean 'none'?")),
        ("track: {kind: 3}\n", (6, 15, "track.kind", "got 3, want one of: none, tensorboard")),
        ("track: {kind: [a]}\n", (6, 15, "track.kind", "got a list of 1, want one of: none, tensorboard")),
        ("track: none\n", (6, 8, "track", "got 'none', want keys and values, `kind:` one of: none, tensorboard")),
        ("compress: {students: [{kind: depth}]}\n", (6, 23, "compress.students.0.layers", "missing, want a whole number of at least 1")),
        ("compress: {students: [7]}\n", (6, 23, "compress.students.0", None)),
        ("compress: {students: atuo}\n", (6, 22, "compress.students", None)),
        ("compress: {formats: []}\n", (6, 21, "compress.formats", None)),
        ("compress: {formats: [numpy-fp23]}\n", (6, 22, "compress.formats.0", None)),
        ("model: {kind: transformer-scratch, heads: 3}\ntrain: {}\n", (6, 43, "model.heads", "got 3 heads, want a divisor of dim, 256")),
        ("model: {kind: transformer-scratch, dim: 30}\ntrain: {}\n", (6, 1, "model.heads", "got 4 heads, want a divisor of dim, 30")),
        ("model: {kind: cnn}\n", (1, 1, "train", "missing. A model of kind 'cnn' starts from random weights: add `train: {}`")),
    ],
)
def test_one_fault_in_words_at_its_place(tmp_path, text, fault):
    (found,) = _faults(tmp_path, _SMALL + text)
    assert found[:3] == fault[:3]
    assert fault[3] in (None, found[3])


@pytest.mark.parametrize(
    ("splits", "path"),
    [("{dev: train}", "dev"), ("{confirm: train}", "confirm"), ("{dev: a, confirm: a}", "confirm"), ("{dev: 0.5, confirm: 0.5}", "confirm"),
     ("{dev: 0.9}", "confirm"), ("{dev: 1}", "dev"), ("{dev: true}", "dev"), ('{confirm: ""}', "confirm")],
)  # fmt: skip
def test_splits_that_leak_or_leave_nothing_are_refused(tmp_path, splits, path):
    ((_, _, found, _),) = _faults(tmp_path, f"{_DATA}  splits: {splits}\n{_TASK}")
    assert found == f"data.splits.{path}"


def test_the_longest_paragraph_is_no_shorter_than_the_shortest(tmp_path):
    ((line, _, path, _),) = _faults(tmp_path, f"data:\n  kind: docstrings\n  min_characters: 9\n  max_characters: 8\n{_TASK}")
    assert (line, path) == (4, "data.max_characters")


def test_missing_sections_are_reported_at_the_top(tmp_path):
    assert [fault[:3] for fault in _faults(tmp_path, "\n# nothing\nname: x\n")] == [(3, 1, "data"), (3, 1, "task")]


def test_a_task_without_a_kind_is_refused(tmp_path):
    assert _faults(tmp_path, f"{_DATA}task: {{}}\n") == [
        (4, 1, "task.kind", "missing, want one of: classify, masked_language, causal_language")
    ]


def test_a_misspelled_required_key_is_not_missing_as_well(tmp_path):
    assert [fault[2] for fault in _faults(tmp_path, f"data: {{kind: files, pth: x}}\n{_TASK}")] == ["data.pth"]


def test_faults_behind_a_misspelled_section_key_or_kind_are_found_too(tmp_path):
    text = "dta: {knd: fils, text: 3, path: x}\ntask: {kind: classify}\ntrian: {epohs: ten}\n"
    places = [(line, column) for line, column, *_ in _faults(tmp_path, text)]
    assert places == [(1, 1), (1, 7), (1, 12), (1, 24), (3, 1), (3, 9), (3, 16)]


def test_a_key_spelled_twice_in_two_ways_is_one_fault(tmp_path):
    faults = _faults(tmp_path, _SMALL + "verify:\n  margin_points: 1\n  margin-points: 2\n")
    assert [fault[:3] for fault in faults] == [(8, 3, "verify.margin-points")]


def test_the_error_lists_all_faults_by_line(tmp_path):
    with pytest.raises(RecipeFaults) as caught:
        _load(tmp_path, _SMALL + "verify: {confidence: 2}\nname: A B\n")
    file = tmp_path / "recipe.yaml"
    head, first, second = str(caught.value).splitlines()
    assert head == f"{file}: 2 faults"
    assert first.startswith(f"  {file}:6:22  verify.confidence: got 2")
    assert second.startswith(f"  {file}:7:7  name: got 'A B'")


def test_faults_of_a_dict_carry_no_line():
    with pytest.raises(RecipeFaults) as caught:
        from_dict({"data": {"kind": "files", "path": "x"}, "task": {"kind": "classify"}, "train": {"epohs": 3}, 7: 8})
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(0, "7"), (0, "train.epohs")]


def test_overrides_replace_and_create(tmp_path):
    recipe = _load(
        tmp_path, _SMALL + "compress:\n  students: [{kind: depth, layers: 3}]\ntrain:\n",
        "train.epochs=3", "compress.students.0.layers=2", "verify.margin_points=0.5", "data.path=b.csv", "track={kind: none}",
    )  # fmt: skip
    assert (recipe.train.epochs, recipe.compress.students[0].layers, recipe.verify.margin_points, recipe.data.path) == (3, 2, 0.5, "b.csv")


def test_a_later_override_wins(tmp_path):
    assert _load(tmp_path, _SMALL, "name=a", "name=b").name == "b"


@pytest.mark.parametrize(
    ("argument", "column", "path"),
    [
        ("train.epohs=3", 7, "train.epohs"),
        ("train.epochs=ten", 14, "train.epochs"),
        ("train.optimizer={kind: adamw, momentum: 1}", 31, "train.optimizer.momentum"),
        ("train={epochs: [}", 17, "YAML"),
        ("track.kind=files", 12, "track.kind"),
        ("compress.students.0.layers=2", 10, "compress.students"),
        ("data.path.x=2", 6, "data.path"),
        ("train.epochs", 1, "train.epochs"),
        ("train..epochs=2", 1, "train..epochs"),
        ("name=", 6, "name"),
    ],
)
def test_a_fault_of_an_override_points_into_the_argument(tmp_path, argument, column, path):
    with pytest.raises(RecipeFaults) as caught:
        _load(tmp_path, _SMALL, argument)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.column, fault.path) == (f"--set {argument}", 1, column, path)


@pytest.mark.parametrize("index", ["1", "-1", "x", "²"])
def test_an_override_stays_within_its_list(tmp_path, index):
    text = _SMALL + "compress:\n  students: [{kind: depth, layers: 3}]\n"
    assert [fault[1:3] for fault in _faults(tmp_path, text, f"compress.students.{index}.layers=2")] == [(19, f"compress.students.{index}")]


def test_all_bad_overrides_are_reported_at_once(tmp_path):
    assert len(_faults(tmp_path, _SMALL, "a", "b=[", "data.path.x=1")) == 3


def test_changing_a_kind_keeps_the_other_keys(tmp_path):
    faults = _faults(tmp_path, _SMALL, "data.kind=docstrings")
    assert faults == [
        (3, 3, "data.path", "unknown key. 'path' belongs to data (kind: files, hub), model (kind: predictions), compress.transfer")
    ]


def test_a_missing_file_names_the_recipe_beside_it(tmp_path):
    (tmp_path / "recipe.yaml").write_text(_SMALL, encoding="utf-8")
    with pytest.raises(UsageFault) as caught:
        load(tmp_path / "recepi.yaml")
    assert str(tmp_path / "recepi.yaml") in caught.value.message
    assert str(tmp_path / "recipe.yaml") in caught.value.step


def test_a_missing_file_without_neighbors_points_to_init(tmp_path):
    with pytest.raises(UsageFault, match="smelt init"):
        load(tmp_path / "no" / "recipe.yaml")


def test_a_folder_is_no_recipe_but_may_hold_one(tmp_path):
    (tmp_path / "recipe.yaml").write_text(_SMALL, encoding="utf-8")
    with pytest.raises(UsageFault, match=r"folder[\s\S]*recipe\.yaml"):
        load(tmp_path)


def test_a_name_that_no_file_can_have_is_a_usage_fault():
    with pytest.raises(UsageFault):
        load(Path("a\0b"))
