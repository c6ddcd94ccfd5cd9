"""The benchmark that holds the planner against published measurements."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = ROOT.parent / "shared" / "plan_tables" / "rows.csv"
BARS = {"vtrain-multi": 10.0, "bloom": 10.0, "mpt": 10.0, "dgxc": 10.0, "vtrain-single": 20.0}
COLUMNS = """row_id source accelerator gpu_mem_gb precision n_gpus model params_b layers hidden ffn heads kv_heads gated_mlp vocab causal
    seq tp pp cp ep dp vp dp_shard mbs gbs recompute seq_parallel step_time_s tokens_per_s_per_gpu tflops_per_gpu tflops_kind mfu_pct
    hfu_pct mem_gib time_basis notes""".split()  # noqa: SIM905 - a row of names
GPT = {
    "accelerator": "A100-80GB", "precision": "fp16", "n_gpus": "8", "model": "GPT-1B", "layers": "24.0", "hidden": "2048.0",
    "ffn": "8192.0", "heads": "16.0", "causal": "1", "seq": "1024.0", "tp": "2", "pp": "1", "dp": "4", "vp": "1.0", "dp_shard": "ddp",
    "mbs": "4.0", "gbs": "64", "recompute": "full", "seq_parallel": "0.0", "step_time_s": "1.5",
}  # fmt: skip


def evaluate(rows: Path) -> dict:
    script = ROOT / "benchmarks" / "plan" / "evaluate.py"
    done = subprocess.run([sys.executable, str(script), "--rows", str(rows), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.data
@pytest.mark.skipif(not ROWS.exists(), reason="published rows are not here")
def test_the_bars_on_published_rows() -> None:
    tables = evaluate(ROWS)["tables"]
    for family, bar in BARS.items():
        assert tables[family]["mape"] <= bar
    assert tables["bloom"]["regret_max"] <= 1.1
    assert sum(table["false_fits"] for table in tables.values()) == 0


def test_a_row_that_cannot_be_predicted_counts_whole_and_is_named(tmp_path: Path) -> None:
    rows = write(
        tmp_path / "rows.csv", {"row_id": "odd-one-1", **GPT}, {"row_id": "odd-one-2", **GPT, "accelerator": "TPU9"},
        {"row_id": "odd-one-3", **GPT, "hidden": "many"},
    )  # fmt: skip
    document = evaluate(rows)
    assert [each["row_id"] for each in document["unpredicted"]] == ["odd-one-2", "odd-one-3"]
    table = document["tables"]["odd-one"]
    assert table["n"] == 3
    assert table["mape"] >= 200 / 3


def test_blank_cells_are_assumed_and_said(tmp_path: Path) -> None:
    blank = {name: GPT[name] for name in ("accelerator", "precision", "n_gpus", "tp", "pp", "dp", "step_time_s")}
    document = evaluate(
        write(tmp_path / "rows.csv", {"row_id": "bare-1", **blank, "model": "Llama-8.86B", "dp_shard": "zero-1", "gbs": "256"})
    )
    assert document["unpredicted"] == []
    assert any("sizes" in each for each in document["assumed"])


def test_layouts_that_differ_alone_are_chosen_among(tmp_path: Path) -> None:
    layouts = [("1", "8", "2.0"), ("2", "4", "1.0"), ("4", "2", "3.0"), ("8", "1", "4.0")]
    rows = [
        {"row_id": f"sweep-{number}", **GPT, "tp": tp, "dp": dp, "step_time_s": seconds} for number, (tp, dp, seconds) in enumerate(layouts)
    ]
    table = evaluate(write(tmp_path / "rows.csv", *rows))["tables"]["sweep"]
    assert table["regret_groups"] == 1
    assert table["regret_max"] in (1.0, 2.0, 3.0, 4.0)


def test_memory_and_rows_that_ran_out(tmp_path: Path) -> None:
    rows = [
        {"row_id": "held-1", **GPT, "mem_gib": "20"},
        {"row_id": "held-2", **GPT, "layers": "400", "dp": "4", "mem_gib": "OOM", "step_time_s": ""},
    ]
    table = evaluate(write(tmp_path / "rows.csv", *rows))["tables"]["held"]
    assert table["memory_n"] == 1
    assert table["out_of_memory"] == 1
    assert table["false_fits"] == 0


ODD = {
    "negative": {"hidden": "-2048"}, "infinite": {"layers": "inf"}, "endless": {"pp": "1e9", "layers": ""}, "nan": {"step_time_s": "nan"},
    "deep": {"pp": "48"}, "words": {"mbs": "four"}, "none": {"layers": "", "model": "?"}, "nowhere": {"accelerator": "TPU9"},
}  # fmt: skip


def test_every_row_is_predicted_or_named(tmp_path: Path) -> None:
    rows = [{"row_id": f"odd-{name}", **GPT, **changes} for name, changes in ODD.items()]
    fine = [{"row_id": "odd-twice", **GPT}, {"row_id": "odd-twice", **GPT, "gbs": "1,024", "vp": ""}]
    document = evaluate(write(tmp_path / "rows.csv", *rows, *fine))
    assert [each["row_id"] for each in document["unpredicted"]] == [f"odd-{name}" for name in ODD]
    assert document["tables"]["odd"]["n"] == len(rows) + len(fine)


@pytest.mark.parametrize(
    "text", ["", "row_id,notes\n", "row_id\nbare-1\n", "\ufeff" + "row_id,model,n_gpus,step_time_s\nx-1,GPT-1B,8,2,more\n"]
)
def test_no_file_of_rows_is_a_crash(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    document = evaluate(tmp_path / "rows.csv")
    assert len(document["unpredicted"]) == text.count("bare-1")
    assert ("x" in document["tables"]) == text.startswith("\ufeff")


def layout_of(tmp_path: Path, **changes: str) -> tuple[str, list[str]]:
    """What the script says of one row: its layout, and what was assumed."""
    rows = write(tmp_path / "rows.csv", {"row_id": "one-1", **GPT, **changes})
    script = ROOT / "benchmarks" / "plan" / "evaluate.py"
    done = subprocess.run([sys.executable, str(script), "--rows", str(rows), "--worst", "1"], check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("one-1"))
    return line, line.split("assumed ")[1:]


@pytest.mark.parametrize(
    ("words", "sharding"),
    [
        ("ddp", "none"),
        ("FSDP", "full"),
        ("hsdp", "full"),
        ("ZeRO-3", "full"),
        ("zero2", "gradients"),
        ("distributed optimizer", "optimizer"),
    ],
)
def test_shardings_by_their_names(tmp_path: Path, words: str, sharding: str) -> None:
    assert f"sharding='{sharding}'" in layout_of(tmp_path, dp_shard=words)[0]


def test_shards_of_a_node_are_copied_between_nodes(tmp_path: Path) -> None:
    assert "data=16, shard=4," in layout_of(tmp_path, dp_shard="HSDP", n_gpus="32", dp="16")[0]


def test_a_row_that_says_nothing_of_its_attention_is_a_decoder(tmp_path: Path) -> None:
    assert "'causal: 1'" in layout_of(tmp_path, causal="")[1][0]
    assert "'causal: 0'" in layout_of(tmp_path, causal="", model="BERT-large")[1][0]


def test_a_precision_in_capitals_is_the_same(tmp_path: Path) -> None:
    lines = [layout_of(tmp_path, precision=name)[0] for name in ("bf16", "BF16", "mixed")]
    assert lines[0] == lines[1]
    assert "precision: bf16" in lines[2]
