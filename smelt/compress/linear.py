"""The student that needs no network: TF-IDF over n-grams and a linear classifier, fitted on labels and on what the reference answered."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from smelt.compress.trial import Search, Trial, measure
from smelt.models.linear import fit_linear
from smelt.recipe.compress import Linear
from smelt.run.folder import code_version
from smelt.runtime.build import open_session
from smelt.runtime.bundle import score_texts
from smelt.runtime.isa import cores, isa
from smelt.runtime.manifest import Manifest, seal
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
        labels = plan.reference.codec.labels
        texts = [*plan.train_texts(), *plan.more_texts]
        known = [*(labels[number] for number in plan.rows.labels), *answers]
        fit_linear(texts, known, [""] * len(texts), classes=labels, features=section.features, folder=bundle)
        (bundle / "config.json").unlink()
        facts = Manifest(name=f"{name}-{FORM}", family="linear", runtime="numpy", precision="fp32", text_column=plan.text_column, isa=isa())
        seal(bundle, facts)
        codec = load_codec(bundle)
        measure(plan, bundle, codec, score_texts(open_session(bundle, facts, cores()), codec, plan.dev_texts), folder)

    if FORM not in plan.section.formats:
        return []
    inputs = plan.inputs | {
        "features": section.features, "answers": list(answers), "isa": isa(),
        "code": code_version("models/linear.py", "tasks", "runtime", "compress/linear.py"),
    }  # fmt: skip
    folder = plan.run.stage(f"compress/{name}-{FORM}", inputs, fill)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    candidate = Candidate(name=f"{name}-{FORM}", steps=list(steps), runtime="numpy", precision="fp32", **result)
    return [Trial(candidate=candidate, source=name, folder=folder, dev_scores=np.asarray(load_file(folder / "dev.safetensors")["scores"]))]
