"""The student that needs no network: TF-IDF over n-grams and a linear classifier, fitted on labels and on what the reference answered."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from smelt.compress.transfer import texts_sha256
from smelt.compress.trial import Search, Trial, failed, measure
from smelt.errors import SmeltError
from smelt.export.linear import write_linear
from smelt.models.linear import LabeledTexts
from smelt.recipe.compress import Linear
from smelt.run.folder import code_version
from smelt.runtime.build import open_session
from smelt.runtime.bundle import score_arrays
from smelt.runtime.isa import cores, machine
from smelt.tasks.classify import load_codec
from smelt.types import Candidate

FORM = "numpy-fp32"


def try_linear(plan: Search, name: str, section: Linear, steps: Sequence[str], answers: Sequence[str]) -> list[Trial]:
    """Fit, time and score the linear student.

    Args:
        plan: the search; its texts of train and their labels are fitted.
        name: of the student.
        section: how many n-grams.
        steps: what is said to have been done.
        answers: the reference's, to the texts without labels.
    """

    def fill(folder: Path, _work: Path) -> None:
        bundle = folder / "bundle"
        bundle.mkdir()
        labels, texts = plan.reference.codec.labels, [*plan.train_texts(), *plan.more_texts]
        known = [*(labels[number] for number in plan.rows.labels), *answers]
        table = LabeledTexts(texts=texts, labels=known, ids=[""] * len(texts), classes=labels)
        facts = write_linear(table, section.features, f"{name}-{FORM}", plan.text_column, bundle)
        codec = load_codec(bundle)
        arrays = codec.encode(plan.dev_texts)
        measure(plan, bundle, codec, arrays, score_arrays(open_session(bundle, facts, cores()), arrays, len(labels)), folder)

    if FORM not in plan.section.formats:
        return []
    inputs = plan.inputs | {
        "features": section.features, "answers": list(answers), "texts": texts_sha256(plan.more_texts), "machine": machine(),
        "column": plan.text_column,
        "code": code_version("models/linear.py", "export/linear.py", "tasks", "runtime", "compress/linear.py"),
    }  # fmt: skip
    candidate = Candidate(name=f"{name}-{FORM}", steps=list(steps), runtime="numpy", precision="fp32")
    try:
        folder = plan.run.stage(f"compress/{name}-{FORM}", inputs, fill)
    except SmeltError as error:
        return [failed(candidate, name, error)]
    candidate = replace(candidate, **json.loads((folder / "result.json").read_text(encoding="utf-8")))
    return [Trial(candidate=candidate, source=name, folder=folder, dev_scores=np.asarray(load_file(folder / "dev.safetensors")["scores"]))]
