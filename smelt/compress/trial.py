"""One candidate: exported, held against the live module, scored on dev, timed. Each is a stage of the run folder."""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from smelt.compress.limits import breaches
from smelt.errors import BundleFault, EnvironmentFault, SmeltError, UsageFault
from smelt.export.bundle import Probe, check_parity, split_format, write_bundle
from smelt.export.formats import formats_of
from smelt.language import say
from smelt.models.build import Model
from smelt.models.network import Network
from smelt.models.session import LiveSession
from smelt.recipe.compress import Compress, Format, NetworkStudent
from smelt.recipe.train import Train
from smelt.run.folder import RunFolder, code_version
from smelt.runtime.build import open_session
from smelt.runtime.bundle import score_arrays
from smelt.runtime.clock import BUNDLES, Clock
from smelt.runtime.isa import cores, isa, machine
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.tasks.classify import ClassifyCodec
from smelt.train.fit import Step
from smelt.train.rows import Rows
from smelt.train.session import Facts
from smelt.types import Arrays, Candidate
from smelt.verify.metrics.calibration import fit_temperature
from smelt.verify.pairs import lost_and_won

_LOG = logging.getLogger("smelt")
_PROBES = 64
# A format is tried for a student only if it costs the reference at most so much more than the best one tried does.
_WORTH_TRYING = 1.25
# Points of accuracy that an export may lose against the live network before the costlier formats are tried. Fraction.
_FAITHFUL = 0.005
Watch = Callable[[str, Step | None, Facts], None]
"""Hears of every step and epoch of every student, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Which student to teach, and how."""

    name: str
    section: NetworkStudent
    seconds: float
    """Time there is."""
    seed: int
    start: str | None = None
    """Place in the run of a student whose weights are taught on; None starts from the reference."""
    quantized: bool = False
    """Let it round as int8 does while it learns."""


Elsewhere = Callable[[Sequence[tuple[Training, str]]], dict[str, str]]
"""Teaches students in other processes, each into its place in the run, and returns by name why some were not taught."""
Chance = Callable[[int, int, int], float]
"""Probability of a certificate on confirm from lost, won and n on dev."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Everything a search starts from."""

    section: Compress
    train: Train
    """How students are trained, but for epochs and learning rate."""
    reference: Model
    """The reference, or the encoder that learned its answers."""
    name: str
    """What its own formats are called after: `reference` or `encoder`."""
    rows: Rows
    dev: Rows
    train_texts: Callable[..., Sequence[str]]
    """Reads the documents of train with the given numbers, or all of them, for what has an encoding of its own."""
    dev_texts: Sequence[str]
    more_texts: Sequence[str]
    """Texts without labels for the students to learn on; none of them in dev or confirm."""
    reference_dev: NDArray[np.int64]
    """The reference's answers on dev, as class numbers; -1 for what is no label of the task. Shape (n,)."""
    least_dev_score: float
    """A student below it is not exported: its certificate is out of reach. Fraction."""
    text_column: str
    workload: Path
    """JSON file of the documents to time on."""
    seconds: float
    """Time there is for students."""
    inputs: dict[str, object]
    """What the reference follows from; part of every stage's fingerprint."""
    run: RunFolder
    clock: Clock
    watch: Watch
    chance: Chance
    """Probability of a certificate on confirm, from what dev shows."""
    cost: Callable[[Candidate], float]
    """What a candidate costs, in the unit that the recipe minimizes."""
    beside: Callable[[NDArray[np.float32]], float] = lambda _scores_BC: 1.0
    """Probability that what else must not be lost is kept on confirm, from scores on dev."""
    elsewhere: Elsewhere | None = None
    """Where students are taught; None means in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate that was tried."""

    candidate: Candidate
    source: str
    """The network behind it: a student's name, or the reference's."""
    folder: Path | None
    """Its stage folder, with `bundle/` in it; None if there is none."""
    dev_scores: NDArray[np.float32] | None
    form: Format | None = None
    """The format that it was exported to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """Which formats of the recipe are tried."""

    own: Sequence[Trial] = ()
    """The reference's trials. What its formats cost tells which ones are worth trying: the cheapest first, and those that would cost a
    quarter more than the best one so far only where that one answers worse than the live network."""
    live: float = 0.0
    """Accuracy of the live network on dev."""
    most: int | None = None
    only: Format | None = None
    vocabulary: str = ""
    """What is added to the name of a network with fewer tokens."""


_EVERY = Formats()


def try_formats(plan: Search, student: str, model: Model, steps: Sequence[str], formats: Formats = _EVERY) -> list[Trial]:
    """Export, check, time and score one network in the formats that can hold it and are worth it."""
    held = formats_of(model.network)
    possible: list[Format] = [form for form in plan.section.formats if form in held and form in (formats.only or form,)]
    known = {trial.form: plan.cost(trial.candidate) for trial in formats.own if trial.form and trial.dev_scores is not None}
    possible.sort(key=lambda form: known.get(form, 0.0))
    trials: list[Trial] = []
    for form in possible[: formats.most]:
        if not _pointless(plan, form, known, formats.live, trials):
            trials.append(_trial(plan, student, model, steps, form, formats.vocabulary))
    return trials


def _pointless(plan: Search, form: Format, known: Mapping[str, float], live: float, trials: Sequence[Trial]) -> bool:
    """Say whether a format cannot be on the frontier: formats cost a student in proportion to what they cost the reference."""
    tried = {trial.form: trial.candidate for trial in trials if trial.form and trial.form in known and trial.dev_scores is not None}
    if form not in known or not tried or all(breaches(candidate, plan.section.limits) for candidate in tried.values()):
        return False
    best = min(tried, key=lambda one: plan.cost(tried[one]))
    faithful = max(candidate.dev_score or 0.0 for candidate in tried.values()) >= live - _FAITHFUL
    return faithful and known[form] / known[best] > _WORTH_TRYING


def _trial(plan: Search, student: str, model: Model, steps: Sequence[str], form: Format, vocabulary: str) -> Trial:
    name = f"{student}{vocabulary}-{form}"
    runtime, precision = split_format(form)
    steps = [*steps, *([f"quantize: {precision}"] if precision != "fp32" else [])]
    inputs = plan.inputs | {
        "student": student, "format": form, "calibration_rows": plan.section.calibration_rows,
        "vocabulary": vocabulary or plan.section.vocabulary, "column": plan.text_column, "machine": machine(),
        "model": plan.run.digest("train" if student == plan.name else f"compress/{student}"),
        "code": code_version("models", "tasks", "export", "runtime", "compress/trial.py", "compress/tokens.py"),
    }  # fmt: skip
    try:
        folder = plan.run.stage(f"compress/{name}", inputs, lambda folder, _work: _export(plan, name, model, form, folder))
    except SmeltError as error:
        return failed(Candidate(name=name, steps=steps, runtime=runtime, precision=precision), student, error, form)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    candidate = Candidate(name=name, steps=steps, runtime=runtime, precision=precision, **result)
    scores = load_file(folder / "dev.safetensors")["scores"]
    return Trial(candidate=candidate, source=student, folder=folder, dev_scores=scores, form=form)


def failed(candidate: Candidate, source: str, error: SmeltError, form: Format | None = None) -> Trial:
    """Return what is left of a candidate that could not be exported or timed, with the reason.

    Raises:
        EnvironmentFault: the error was one, such as a full disk, which is not the candidate's fault.
    """
    if isinstance(error, EnvironmentFault) and not isinstance(error, BundleFault):
        raise error
    _LOG.warning("%s: %s", candidate.name, error.message)
    return Trial(candidate=replace(candidate, why=error.message), source=source, folder=None, dev_scores=None, form=form)


def _export(plan: Search, name: str, model: Model, form: Format, folder: Path) -> None:
    """Fill a candidate's folder: `bundle/`, `dev.safetensors`, `result.json`, `parity.json`."""
    bundle = folder / "bundle"
    bundle.mkdir()
    texts = plan.train_texts(spread(len(plan.rows), plan.section.calibration_rows))
    calibration = [model.codec.encode([text]) for text in texts]
    facts = Manifest(name=name, family="network", runtime="numpy", precision="fp32", text_column=plan.text_column, isa=isa())
    write_bundle(model.network, model.codec, form, facts, calibration=calibration, folder=bundle)
    parity = check_parity(bundle, _probe(plan, model), cores())
    arrays = model.codec.encode(plan.dev_texts)
    scores = score_arrays(open_session(bundle, read_manifest(bundle), cores()), arrays, len(model.codec.labels))
    measure(plan, bundle, model.codec, arrays, scores, folder)
    (folder / "parity.json").write_text(json.dumps(asdict(parity)), encoding="utf-8")


def measure(plan: Search, bundle: Path, codec: ClassifyCodec, arrays: Arrays, scores: NDArray[np.float32], folder: Path) -> None:
    """Fit the temperature, time the bundle, and write down what it costs and how it does on dev, whose encoded texts `arrays` are."""
    manifest = read_manifest(bundle)
    codec.with_temperature(fit_temperature(scores, plan.dev.labels)).save(bundle)
    seal(bundle, manifest)
    save_file({"scores": scores}, folder / "dev.safetensors")
    timing = asdict(plan.clock(bundle, plan.workload, BUNDLES))
    seal(bundle, replace(manifest, threads=timing.pop("latency_threads")))
    result = timing | {
        "dev_score": float((scores.argmax(1) == plan.dev.labels).mean()),
        "agreement": float((scores.argmax(1) == plan.reference_dev).mean()),
        "size_bytes": sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()),
        "unknown_share": codec.unknown_tokens(arrays) / max(1, len(arrays.ids)),
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2), encoding="utf-8")


def certificate_chance(plan: Search, scores_BC: NDArray[np.float32]) -> float:
    """Return how likely a certificate is for whatever answers dev with these scores, all that is asked for taken together."""
    lost, won = lost_and_won(plan.reference_dev, scores_BC.argmax(1), plan.dev.labels)
    chance = plan.chance(lost, won, len(plan.dev))
    return chance * plan.beside(scores_BC) if chance else 0.0


def probe_cost(plan: Search, network: Network) -> float:
    """Return what a network would cost, exported to the first of int8 formats that the recipe has, else to its first format at all."""
    able: list[Format] = [form for form in plan.section.formats if form in formats_of(network)]
    quick: list[Format] = [form for form in able if form.endswith("-int8")]
    if not able:
        raise UsageFault(
            say("no format of compress.formats holds a {family} student", family=network.family),
            step=say("Add one: numpy-fp32 holds static and linear ones, the others all the rest."),
        )
    form = (quick or able)[0]
    with tempfile.TemporaryDirectory(prefix="smelt-probe-") as place:
        folder = Path(place) / "bundle"
        folder.mkdir()
        calibration = [plan.rows.take([row]) for row in spread(len(plan.rows), _PROBES)]
        facts = Manifest(name="probe", family="network", runtime="numpy", precision="fp32", text_column=plan.text_column, isa=isa())
        write_bundle(network, plan.reference.codec, form, facts, calibration=calibration, folder=folder)
        timing = asdict(plan.clock(folder, plan.workload, BUNDLES))
        timing.pop("latency_threads")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return plan.cost(Candidate(name="probe", steps=[], runtime="", precision="", size_bytes=size, **timing))


def price_mark(plan: Search) -> list[object]:
    """Return what the price of a network depends on beside the network: the unit, the format it is exported to, and the machine."""
    keys = {"minimize", "weighting", "formats", "calibration_rows"}
    return [plan.section.model_dump(mode="json", include=keys), machine()]


def _probe(plan: Search, model: Model) -> Probe:
    """Score a few dev documents by the live module, to hold the export against."""
    arrays = model.codec.encode([plan.dev_texts[int(row)] for row in spread(len(plan.dev), _PROBES)])
    return Probe(arrays=arrays, scores=LiveSession(model.network, threads=cores()).scores(arrays))


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most `wanted` row numbers, evenly spread over `count` rows."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))
