import json
from dataclasses import replace
from importlib.resources import files

import pytest

from smelt.errors import EnvironmentFault, RecipeFaults, UsageFault
from smelt.plan.hardware import LARGEST_BYTES, Accelerator, accelerators, as_json, find, read_entry

ROWS = json.loads(files("smelt.plan").joinpath("hardware.json").read_text(encoding="utf-8"))
NUMBERS = (
    "memory_gb",
    "memory_gbps",
    "peak_tflops",
    "units",
    "link_gbps",
    "network_gbps",
    "domain",
    "sustained",
    "generation",
)
EVERY = pytest.mark.parametrize("accelerator", accelerators().values(), ids=lambda accelerator: accelerator.name)

MINE = Accelerator(
    name="Mine-7GB",
    kind="cpu",
    memory_gb=7.5,
    memory_gbps=11,
    peak_tflops=(("fp32", 0.3), ("bf16", 0.7)),
    units=3,
    link_gbps=5,
    network_gbps=0.125,
    domain=2,
    sustained=0.9,
    generation=0,
    source="measured",
    date="2026-11-26",
    validated=("bert",),
    aliases=("mine",),
)


@pytest.fixture
def entry(tmp_path):
    """Writes an entry with changes; None leaves a key out. Returns the path."""

    def write(**changes):
        values = {**as_json(MINE), **changes}
        path = tmp_path / "mine.json"
        path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}, indent=1), encoding="utf-8")
        return path

    return write


def faults_of(path):
    with pytest.raises(RecipeFaults) as caught:
        read_entry(path)
    return [f"{fault.path}: {fault.message}" for fault in caught.value.faults]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_number_of_the_table_has_a_source_of_its_own(row):
    assert set(row["sources"]) == set(NUMBERS)
    assert all(len(text) > 10 for text in row["sources"].values())
    assert {key for key, value in row.items() if isinstance(value, int | float)} | {"peak_tflops"} == set(NUMBERS)


@EVERY
def test_every_source_is_in_the_text_that_is_shown(accelerator):
    row = next(row for row in ROWS if row["name"] == accelerator.name)
    assert all(text in accelerator.source for text in row["sources"].values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_source_names_no_address_that_nobody_has_read(row):
    assert not any("://" in text for text in row["sources"].values())


@EVERY
def test_half_precision_is_about_four_times_as_fast_as_single_or_more(accelerator):
    table = dict(accelerator.peak_tflops)
    assert table.get("bf16", table["fp16"]) >= 3.99 * table["fp32"]
    assert table.get("bf16", table["fp16"]) == table["fp16"]


@EVERY
def test_fp8_is_twice_as_fast_as_bf16_where_there_is_any(accelerator):
    table = dict(accelerator.peak_tflops)
    assert ("fp8" in table) == (accelerator.generation >= 2022)
    assert "fp8" not in table or table["fp8"] == pytest.approx(2 * table["bf16"], rel=1e-3)


@EVERY
def test_memory_is_faster_than_the_link_and_the_link_than_the_network(accelerator):
    assert accelerator.memory_gbps > 3 * accelerator.link_gbps > 9 * accelerator.network_gbps


@EVERY
def test_usable_memory_is_near_the_binary_gigabytes_that_the_name_states(accelerator):
    sold = next(
        int(part.removesuffix("GB"))
        for word in (accelerator.name, *accelerator.aliases)
        for part in word.split("-")
        if part.removesuffix("GB").isdigit()
    )
    assert 0.97 * sold < accelerator.memory_gb < 1.074 * sold


def test_volta_computes_bf16_in_fp16_and_fp8_too():
    volta = accelerators()["V100-16GB"]
    assert volta.peak("bf16") == volta.peak("fp8") == 125e12


def test_a_precision_that_none_has_is_computed_in_fp32():
    assert accelerators()["A100-80GB"].peak("fp64") == 19.5e12


def test_the_export_versions_differ_in_their_link():
    table = accelerators()
    assert (table["H800"].link_gbps, table["A800"].link_gbps) == (200, 200)
    assert table["H800"].peak_tflops == table["H100-80GB"].peak_tflops


def test_no_two_accelerators_answer_to_one_name():
    words = [word.lower().replace("-", "").replace(" ", "") for each in accelerators().values() for word in (each.name, *each.aliases)]
    assert sorted(words) == sorted(set(words))


def test_changing_what_was_returned_does_not_change_the_table():
    accelerators().clear()
    assert "H200" in accelerators()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("A100", "A100-80GB"),
        ("a100-sxm4-80gb", "A100-80GB"),
        ("h100", "H100-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-80GB"),
        ("h100_96gb", "H100-96GB"),
        ("Tesla V100-SXM2-16GB", "V100-16GB"),
        ("gb200", "GB200"),
    ],
)
def test_an_accelerator_is_found_by_alias_and_in_any_case(word, name):
    assert find(word).name == name


def test_the_users_own_accelerators_are_found():
    assert find("MINE", {MINE.name: MINE}) is MINE


def test_the_users_own_accelerators_go_before_the_table():
    own = replace(MINE, name="H100-80GB")
    assert find("h100-80gb", {own.name: own}) is own
    assert find("H100-96GB", {own.name: own}).memory_gb == 102


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(UsageFault) as caught:
        find("B20", {MINE.name: MINE})
    assert caught.value.message.startswith("unknown accelerator 'B20', want one of: Mine-7GB, V100-16GB, V100-32GB, A100-40GB, ")
    assert caught.value.step == "Did you mean 'B200'?"


def test_a_name_like_no_other_is_told_no_nearest():
    with pytest.raises(UsageFault) as caught:
        find("abacus")
    assert caught.value.step == ""


@EVERY
def test_what_is_written_reads_back_the_same(accelerator, tmp_path):
    path = tmp_path / "entry.json"
    path.write_text(json.dumps(as_json(accelerator)), encoding="utf-8")
    assert read_entry(path) == accelerator


def test_an_entry_reads_back_with_what_was_fitted_on_it(entry):
    assert read_entry(entry()) == MINE


def test_an_entry_of_the_table_is_a_file_that_can_be_read(tmp_path):
    path = tmp_path / "entry.json"
    path.write_text(json.dumps(ROWS[-1], indent=2), encoding="utf-8")
    assert read_entry(path) == accelerators()[ROWS[-1]["name"]]


def test_lists_may_be_left_out(entry):
    assert read_entry(entry(validated=None, aliases=None)) == replace(MINE, validated=(), aliases=())


ABOVE_0 = "a number above 0 and of at most 1000000000"
COUNT = "a whole number of at least 1 and of at most 1000000000"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("name", "", "got '', want a text that is not empty"),
        ("name", 3, "got 3, want a text that is not empty"),
        ("name", "n" * 81, f"got '{'n' * 60}', want a text of at most 80 printable characters"),
        ("name", "\x1b[2J", "got '\\x1b[2J', want a text of at most 80 printable characters"),
        ("kind", "gpuu", "got 'gpuu', want one of: gpu, cpu. Did you mean 'gpu'?"),
        ("memory_gb", "ten", f"got 'ten', want {ABOVE_0}"),
        ("memory_gb", 0, f"got 0, want {ABOVE_0}"),
        ("memory_gbps", -900, f"got -900, want {ABOVE_0}"),
        ("memory_gbps", float("nan"), f"got 'NaN', want {ABOVE_0}"),
        ("link_gbps", float("inf"), f"got 'Infinity', want {ABOVE_0}"),
        ("network_gbps", 1e10, f"got 10000000000.0, want {ABOVE_0}"),
        ("network_gbps", [1, 2], f"got a list of 2, want {ABOVE_0}"),
        ("peak_tflops", 312, "got 312, want keys and values (keys: fp32, bf16, fp16, fp8)"),
        ("units", True, f"got true, want {COUNT}"),
        ("units", 1.5, f"got 1.5, want {COUNT}"),
        ("domain", 0, f"got 0, want {COUNT}"),
        ("sustained", 1.01, "got 1.01, want a number above 0 and of at most 1"),
        ("sustained", 1e-300, "got 1e-300, want a number of at least 1e-09"),
        ("network_gbps", 1e-300, "got 1e-300, want a number of at least 1e-09"),
        ("generation", -1, "got -1, want a whole number of at least 0 and of at most 9999"),
        ("date", 2026, "got 2026, want a text that is not empty"),
        ("sources", "the sheet", "got 'the sheet', want keys and values (keys: " + ", ".join((*NUMBERS, "rest")) + ")"),
        ("validated", "bert", "got 'bert', want a list, each a text that is not empty"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_accepted(entry, key, value, told):
    assert faults_of(entry(**{key: value})) == [f"{key}: {told}"]


@pytest.mark.parametrize("key", [key for key in as_json(MINE) if key not in ("validated", "aliases")])
def test_a_missing_field_is_named(entry, key):
    (fault,) = faults_of(entry(**{key: None}))
    assert fault.startswith(f"{key}: missing, want ")


def test_a_misspelled_field_is_told_the_right_one(entry):
    assert faults_of(entry(memory_gbps=None, memry_gbps=11)) == ["memry_gbps: unknown key. Did you mean 'memory_gbps'?"]


def test_a_precision_that_is_not_planned_for_is_refused(entry):
    assert faults_of(entry(peak_tflops={"fp32": 1, "int4": 8})) == ["peak_tflops.int4: unknown key, want one of: fp32, bf16, fp16, fp8"]


def test_the_peak_of_single_precision_is_needed(entry):
    assert faults_of(entry(peak_tflops={"bf16": 1})) == [f"peak_tflops.fp32: missing, want {ABOVE_0}"]


def test_a_number_without_a_source_is_named(entry):
    sources = {name: "sheet" for name in NUMBERS if name not in ("units", "domain")}
    told = "sources: no source for units, domain. State it there, or in `rest` for all that have none of their own"
    assert faults_of(entry(sources=sources)) == [told]


def test_the_wrong_entry_of_a_list_is_named(entry):
    assert faults_of(entry(aliases=["m", ""])) == ["aliases.1: got '', want a text that is not empty"]


def test_every_fault_is_told_at_its_line(entry):
    with pytest.raises(RecipeFaults) as caught:
        read_entry(entry(kind="tpu", memory_gb=-1))
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(3, "kind"), (4, "memory_gb")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "JSON: want keys with values, such as `name:` and `memory_gb:`"),
        (b"[1]", "JSON: want keys with values, such as `name:` and `memory_gb:`"),
        (b'{"name": "\xff"}', "JSON: this is not UTF-8 text. Save the file as UTF-8"),
        (b" " * (LARGEST_BYTES + 1), f"JSON: larger than {LARGEST_BYTES} bytes"),
        (b'{"name": "a", "name": "b"}', "name: stands here twice; first on line 1"),
        (b"[" * 5000, "0.0: nested deeper than 16 levels"),
    ],
    ids=["empty", "list", "latin", "large", "twice", "deep"],
)
def test_a_file_that_is_no_entry_is_told_so(tmp_path, content, told):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    assert faults_of(path) == [told]


def test_a_file_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(UsageFault, match=r"nowhere\.json: no such file"):
        read_entry(tmp_path / "nowhere.json")


def test_a_folder_is_no_entry(tmp_path):
    with pytest.raises(UsageFault, match="no such file"):
        read_entry(tmp_path)


def test_a_file_that_cannot_be_opened_is_told_so(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{}", encoding="utf-8")

    class Locked(type(path)):
        def open(self, *_, **__):
            raise PermissionError(13, "Permission denied")

    with pytest.raises(EnvironmentFault, match=r"cannot be read \(Permission denied\)"):
        read_entry(Locked(path))
