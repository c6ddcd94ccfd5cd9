"""The `export` stage: the certified bundle with its verdict and card, and the reference beside it in fp32."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from smelt.data.dataset import open_dataset
from smelt.export.bundle import write_bundle
from smelt.export.formats import formats_of
from smelt.pipeline.card import card_facts
from smelt.pipeline.context import Context
from smelt.pipeline.judge import Judgment
from smelt.pipeline.reference import Reference
from smelt.report.card import model_card
from smelt.run.folder import code_version
from smelt.runtime.bundle import open_bundle
from smelt.runtime.isa import isa
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.runtime.predict import answer_texts
from smelt.runtime.profile import Profile, make_profile, write_profile
from smelt.types import Candidate

_PROFILED, _FEWEST, _SECONDS = 2_000, 250, 10.0
"""Texts of train that the bundle's profile is made of, about: as many as it answers in so many seconds, within bounds."""


def ship(context: Context, reference: Reference, judgment: Judgment) -> Path:
    """Run the stage; return `RUN/export`. `bundle/` is in it only if a candidate is certified."""
    run, chosen = context.run, next(filter(_is_chosen, judgment.candidates), None)
    inputs = {
        "train": run.digest("train"),
        "verdict": asdict(judgment.verdict),
        "chosen": run.digest(f"compress/{chosen.name}") if chosen else None,
        "export": context.recipe.export.model_dump(mode="json"),
        "code": code_version("export", "models", "runtime", "report/card.py"),
    }

    def fill(folder: Path, _work: Path) -> None:
        _write_reference(context, reference, folder / "reference")
        if chosen:
            _write_choice(context, judgment, run.path / "compress" / chosen.name / "bundle", folder / "bundle")

    return run.stage("export", inputs, fill)


def _write_reference(context: Context, reference: Reference, folder: Path) -> None:
    """Export the reference in fp32, by the most portable runtime that can hold it; of given answers, the encoder that learned them."""
    folder.mkdir()
    forms = formats_of(reference.model.network)
    form = "onnxruntime-fp32" if "onnxruntime-fp32" in forms else forms[0]
    facts = Manifest(name=reference.name, family="network", runtime="numpy", precision="fp32", text_column=context.text_column, isa=isa())
    write_bundle(reference.model.network, reference.model.codec, form, facts, calibration=(), folder=folder)


def _write_choice(context: Context, judgment: Judgment, source: Path, folder: Path) -> None:
    """Copy the chosen candidate's bundle, add verdict, card and what its texts were like, seal it as certified."""
    manifest = read_manifest(source)
    shutil.copytree(source, folder)
    chosen, reference = (next(one for one in judgment.candidates if test(one)) for test in (_is_chosen, _is_reference))
    write_profile(folder, _profile(context, source, chosen.examples_per_s or 0.0))
    frontier = {"candidates": [asdict(one) for one in judgment.candidates]}
    (folder / "frontier.json").write_text(json.dumps(frontier, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "verdict.json").write_text(json.dumps(asdict(judgment.verdict), indent=2, ensure_ascii=False), encoding="utf-8")
    (folder / "README.md").write_text(model_card(card_facts(context, judgment.verdict, chosen, reference)), encoding="utf-8")
    seal(folder, replace(manifest, certified=True))


def _profile(context: Context, bundle: Path, examples_per_s: float) -> Profile:
    """Return what train is like to a bundle, by a sample that it answers in some seconds."""
    opened, train = open_bundle(bundle), open_dataset(context.run.path / "data").train
    count = min(_PROFILED, max(_FEWEST, int(_SECONDS * examples_per_s)))
    part = answer_texts(opened, train.texts(range(0, len(train), max(1, len(train) // count))))
    return make_profile(part.predictions, part.lengths, part.unknown, opened.labels)


def _is_chosen(candidate: Candidate) -> bool:
    return candidate.chosen


def _is_reference(candidate: Candidate) -> bool:
    return candidate.name == "reference"
