"""A cascade: a student answers what it is sure of, a better model the rest. That model and the threshold are chosen on dev.

Shape letters: B examples of dev, C classes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from smelt.compress.trial import Search, Trial, certificate_chance, failed, measure
from smelt.errors import SmeltError
from smelt.export.cascade import write_cascade
from smelt.language import say
from smelt.run.folder import code_version
from smelt.runtime.cascade import Rule, confidences
from smelt.runtime.isa import isa, machine
from smelt.runtime.manifest import Manifest
from smelt.tasks.classify import load_codec
from smelt.types import Candidate

_SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
_CHANCE = 0.8
_CODEC = ("codec.json", "labels.json", "tokenizer.json")
"""What a cascade holds once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A threshold, and what it does on dev."""

    threshold: float
    share: float
    """Share of the examples that the slow model answers. Fraction."""
    scores_BC: NDArray[np.float32]
    """Of the cascade, on dev."""


def cascades(plan: Search, trials: Sequence[Trial]) -> list[Trial]:
    """Try each student's cheapest export in front of the model that makes the cheapest cascade of it.

    Behind it stands one of the reference's own exports, or another student's cheapest one, which promises as much by itself as the
    student in front. There is none where that model is cheaper alone.
    """
    able = [trial for trial in trials if trial.dev_scores is not None and _reads_alike(plan, trial) and _fits(plan, _bytes(trial))]
    students = list(_cheapest(plan, [trial for trial in able if trial.source != plan.name]).values())
    behind = [*(trial for trial in able if trial.source == plan.name), *students]
    found = []
    for fast in students:
        better = [
            slow
            for slow in behind
            if _chance(plan, slow) >= _chance(plan, fast)
            and plan.cost(slow.candidate) > plan.cost(fast.candidate)
            and _fits(plan, _bytes_of_both(fast, slow))
        ]
        picks = [(slow, pick) for slow in better if (pick := _pick(plan, fast, slow)) is not None]
        slow, pick = min(picks, key=lambda one: _price(plan, fast, *one), default=(None, None))
        if slow and pick and _price(plan, fast, slow, pick) < plan.cost(slow.candidate):
            found.append(_cascade(plan, fast, slow, pick))
    return found


def _chance(plan: Search, trial: Trial) -> float:
    assert trial.dev_scores is not None
    return certificate_chance(plan, trial.dev_scores)


def _fits(plan: Search, size_bytes: int) -> bool:
    limit = plan.section.limits.size_bytes
    return limit == "none" or size_bytes <= limit


def _bytes(trial: Trial) -> int:
    return trial.candidate.size_bytes or 0


def _bytes_of_both(fast: Trial, slow: Trial) -> int:
    """Return what a cascade of them takes: two graphs and one codec."""
    assert slow.folder
    codec = sum(path.stat().st_size for name in _CODEC if (path := slow.folder / "bundle" / name).is_file())
    return _bytes(fast) + _bytes(slow) - codec


def _price(plan: Search, fast: Trial, slow: Trial, pick: Pick) -> float:
    """Return what a document costs on the average, as far as the parts tell."""
    return plan.cost(fast.candidate) + pick.share * plan.cost(slow.candidate)


def _cheapest(plan: Search, trials: Sequence[Trial]) -> dict[str, Trial]:
    """Return each source's cheapest export."""
    found: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda trial: plan.cost(trial.candidate)):
        found.setdefault(trial.source, trial)
    return found


def _reads_alike(plan: Search, trial: Trial) -> bool:
    """Say whether a candidate reads the reference's tokens: both parts of a cascade are given the same ones."""
    if trial.folder is None:
        return False
    own, theirs = load_codec(trial.folder / "bundle").encoder, plan.reference.codec.encoder
    return (own.kind, own.size) == (theirs.kind, theirs.size)


def pick_threshold(
    fast_BC: NDArray[np.float32], slow_BC: NDArray[np.float32], chance: Callable[[NDArray[np.float32]], float]
) -> Pick | None:  # fmt: skip
    """Return the smallest share of answers to pass on with which a certificate is likely; None if no share up to 0.6 is enough.

    Args:
        fast_BC: the student's scores on dev, divided by its temperature.
        slow_BC: the same of the model behind it.
        chance: predicts a certificate from scores on dev.
    """
    sure_B = confidences(fast_BC)
    for share in _SHARES:
        threshold = float(np.quantile(sure_B, share))
        scores_BC = np.where((sure_B < threshold)[:, None], slow_BC, fast_BC)
        if chance(scores_BC) >= _CHANCE:
            return Pick(threshold=threshold, share=float((sure_B < threshold).mean()), scores_BC=scores_BC)
    return None


def _pick(plan: Search, fast: Trial, slow: Trial) -> Pick | None:
    """Choose the threshold of a pair; None where none makes a certificate likely."""
    assert fast.dev_scores is not None
    assert slow.dev_scores is not None
    ours, theirs = fast.dev_scores / np.float32(_temperature(fast)), slow.dev_scores / np.float32(_temperature(slow))
    return pick_threshold(ours, theirs, partial(certificate_chance, plan))


def _temperature(trial: Trial) -> float:
    assert trial.folder
    return load_codec(trial.folder / "bundle").temperature


def _cascade(plan: Search, fast: Trial, slow: Trial, pick: Pick) -> Trial:
    """Export and time one cascade."""
    assert fast.folder
    assert slow.folder
    parts = (fast.folder / "bundle", slow.folder / "bundle")
    name = f"{fast.source}-cascade"
    rule = Rule(threshold=pick.threshold, fast_temperature=_temperature(fast), slow_temperature=_temperature(slow))

    def fill(folder: Path, _work: Path) -> None:
        bundle = folder / "bundle"
        bundle.mkdir()
        facts = Manifest(name=name, family="cascade", runtime="numpy", precision="fp32", text_column=plan.text_column, isa=isa())
        write_cascade(*parts, rule, plan.reference.codec, facts, bundle)
        measure(plan, bundle, plan.reference.codec, plan.dev.arrays, pick.scores_BC, folder)

    inputs = plan.inputs | {
        "rule": asdict(rule), "fast": plan.run.digest(f"compress/{fast.candidate.name}"),
        "slow": plan.run.digest(f"compress/{slow.candidate.name}"), "machine": machine(),
        "code": code_version("tasks", "export", "runtime"),
    }  # fmt: skip
    steps = [*fast.candidate.steps, say("cascade: {share:.0%} of dev to {slow}", share=pick.share, slow=slow.candidate.name)]
    runtimes = " + ".join(dict.fromkeys(trial.candidate.runtime for trial in (fast, slow)))
    candidate = Candidate(name=name, steps=steps, runtime=runtimes, precision=slow.candidate.precision)
    try:
        folder = plan.run.stage(f"compress/{name}", inputs, fill)
    except SmeltError as error:
        return failed(candidate, name, error)
    candidate = replace(candidate, **json.loads((folder / "result.json").read_text(encoding="utf-8")))
    return Trial(candidate=candidate, source=name, folder=folder, dev_scores=load_file(folder / "dev.safetensors")["scores"])
