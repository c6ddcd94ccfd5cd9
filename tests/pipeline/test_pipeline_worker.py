"""Students taught in processes of their own: the same students, and one that fails takes nothing else with it."""

import json
import os
from pathlib import Path

import pytest

import smelt
from smelt.pipeline.worker import main as worker
from tests.pipeline.test_pipeline_whole_run import RECIPE, write_project

STUDENTS = "students: [{kind: static, hidden: 8, epochs: 2}, {kind: cnn, filters: 4, kernels: [1], epochs: 2}], finalist_seeds: 0"
FORMATS = "formats: [numpy-fp32, onnxruntime-fp32]"


def recipe(workers):
    return RECIPE.replace(
        "compress: {students: [], formats: [onnxruntime-fp32]}", f"compress: {{{STUDENTS}, {FORMATS}, workers: {workers}}}"
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same recipe, once in one process and once with two workers."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for workers in ("none", 2):
            folder = tmp_path_factory.mktemp(f"workers-{workers}")
            patch.setenv("SMELT_STATE", str(folder / "state"))
            found[workers] = smelt.run(write_project(folder, recipe(workers)), folder / "run").run
    return found


def candidates(run):
    return {entry["name"]: entry["dev_score"] for entry in json.loads((run / "frontier.json").read_text(encoding="utf-8"))["candidates"]}


def test_workers_teach_the_same_students(runs):
    assert {"static-numpy-fp32", "cnn-onnxruntime-fp32"} <= set(candidates(runs["none"]))
    assert candidates(runs[2]) == candidates(runs["none"])
    alone, beside = ((runs[workers] / "compress" / "static" / "model.safetensors").read_bytes() for workers in ("none", 2))
    assert alone == beside


def test_a_worker_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("SMELT_STATE", str(tmp_path / "state"))
    text = recipe(1).replace("{kind: static", "{kind: depth, layers: 2, epochs: 1}, {kind: static")
    run = smelt.run(write_project(tmp_path, text), tmp_path / "run").run
    entries = {entry["name"]: entry for entry in json.loads((run / "frontier.json").read_text(encoding="utf-8"))["candidates"]}
    assert "its process failed: compress.students: depth 2 wants a reference of more layers" in entries["depth2"]["why"]
    assert entries["static-numpy-fp32"]["dev_score"] is not None


def test_a_worker_without_orders_ends(tmp_path):
    with Path(os.devnull).open(encoding="utf-8") as nothing, pytest.raises(ValueError, match="Expecting value"):
        worker(str(tmp_path), nothing, nothing)
