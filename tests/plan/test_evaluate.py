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
