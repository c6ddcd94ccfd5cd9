"""What a run folder tells, read and checked once. Optional files that are missing stay None or empty."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from smelt.errors import DataFault, UsageFault
from smelt.language import say
from smelt.types import Candidate, Verdict
from smelt.verify.ledger import Opening
from smelt.verify.pairs import Paired, align
from smelt.verify.perplexity import Change
from smelt.verify.predictions import Predictions, read

Value = TypeVar("Value")
REFERENCE, FLOOR = "reference", "floor"
GIVEN = "predictions"
"""Runtime of a reference that is a file of answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it ran."""

    cpu: str = ""
    cores: int | None = None
    isa: Sequence[str] = ()
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the run."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """`run.json`: what ran, where, and what came out, by hash."""

    name: str = ""
    recipe_text: str = ""
    command: str = ""
    started: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Machine = Machine()
    stages: Mapping[str, Stage] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """One split of the data."""

    rows: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """`data/data.json`."""

    splits: Mapping[str, SplitFacts] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    duplicates_dropped: Mapping[str, int] = field(default_factory=dict)
    conflicting_labels: int = 0
    bad_rows: int = 0
    characters: Mapping[str, int] = field(default_factory=dict)
    cjk_share: float | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DevFacts:
    """The split that the candidates were compared on."""

    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """`verify/details.json`: what the verdict leaves out."""

    openings: Sequence[Opening] = ()
    """All openings of this confirm set, those of this run among them."""
    dev: DevFacts = DevFacts()
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimizer step of a training log."""

    step: int
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of a training log. Scores are fractions, losses nats."""

    epoch: int
    train_loss: float | None = None
    dev_loss: float | None = None
    """Of a language model, per token to guess."""
    dev_score: float | None = None
    dev_low: float | None = None
    dev_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One training."""

    steps: Sequence[Step]
    epochs: Sequence[Epoch]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """What reference and candidate answered on confirm."""

    candidate: str
    paired: Paired
    reference: Predictions
    theirs: Predictions


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record:
    """Everything the page tells."""

    run: RunFacts
    data: DataFacts | None
    candidates: Sequence[Candidate]
    verdict: Verdict
    tests: Sequence[Verdict]
    """In the order of testing."""
    details: Details
    logs: Mapping[str, Log]
    """By the name of the model that was trained, `reference` first."""
    answers: Answers | None

    @property
    def reference(self) -> Candidate | None:
        """The model to match."""
        return next((one for one in self.candidates if one.name == REFERENCE), None)

    @property
    def chosen(self) -> Candidate | None:
        """What ships, if anything is certified."""
        return next((one for one in self.candidates if one.chosen), None)

    @property
    def dev_rows(self) -> int | None:
        """Examples of dev."""
        split = self.data.splits.get("dev") if self.data else None
        return self.details.dev.n or (split.rows if split else None)

    def verdict_of(self, candidate: str) -> Verdict | None:
        """Return what confirm said about a candidate."""
        return next((test for test in self.tests if test.candidate == candidate), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perplexity:
    """`verify/perplexity.json`."""

    sentence: str
    documents: int
    tokens: int
    bytes: int
    nats_per_token: float
    perplexity_per_token: float
    perplexity_per_byte: float | None = None
    bits_per_byte: float | None = None
    start: Change | None = None
    """Against the weights that training began with, where they could guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRun:
    """Everything the page of a language task tells."""

    run: RunFacts
    data: DataFacts | None
    figures: Perplexity
    log: Log | None


def read_record(run: Path) -> Record:
    """Read a run folder.

    Raises:
        UsageFault: it is no run folder, or the run was not finished.
        DataFault: a file of it is not what it should be.
    """
    facts, frontier, verdict = run / "run.json", run / "frontier.json", run / "verify" / "verdict.json"
    if not facts.is_file():
        raise UsageFault(
            say("{run}: no run folder, run.json is not there", run=run),
            step=say("Name the folder that `smelt run` wrote, such as runs/mytask."),
        )
    for needed in (frontier, verdict):
        if not needed.is_file():
            raise UsageFault(
                say("{run}: the run is not finished, {file} is not there", run=run, file=needed.relative_to(run).as_posix()),
                step=say("Finish it: smelt run RECIPE with the same --out goes on where it stopped."),
            )
    found = read_value(verdict, Verdict)
    data, tests, details = run / "data" / "data.json", run / "verify" / "tests.json", run / "verify" / "details.json"
    candidates = read_value(frontier, dict[str, list[Candidate]]).get("candidates", [])
    given = any(one.name == REFERENCE and one.runtime == GIVEN for one in candidates)
    return Record(
        run=read_value(facts, RunFacts),
        data=read_value(data, DataFacts) if data.is_file() else None,
        candidates=candidates,
        verdict=found,
        tests=read_value(tests, list[Verdict]) if tests.is_file() else [found] if found.candidate else [],
        details=read_value(details, Details) if details.is_file() else Details(),
        logs=_read_logs(run, "encoder" if given else REFERENCE),
        answers=_read_answers(run / "predictions", found.candidate),
    )


def read_language_run(run: Path) -> LanguageRun | None:
    """Read the folder of a language task's run; None where it is another one's.

    Raises:
        DataFault: a file of it is not what it should be.
    """
    perplexity, data, log = run / "verify" / "perplexity.json", run / "data" / "data.json", run / "train" / "log.jsonl"
    if not perplexity.is_file():
        return None
    return LanguageRun(
        run=read_value(run / "run.json", RunFacts),
        data=read_value(data, DataFacts) if data.is_file() else None,
        figures=read_value(perplexity, Perplexity),
        log=read_log(log) if log.is_file() else None,
    )


def read_value(path: Path, kind: type[Value]) -> Value:
    """Read a JSON file as a value of this type. NaN and infinity, which JSON does not know, become null."""
    try:
        return TypeAdapter(kind).validate_python(json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None))
    except OSError as error:
        raise _fault(path, error.strerror or str(error)) from error
    except ValidationError as error:
        raise _fault(path, _first(error)) from error
    except (ValueError, RecursionError) as error:
        raise _fault(path, str(error)) from error


def _read_logs(run: Path, trained: str) -> dict[str, Log]:
    paths = {trained: run / "train" / "log.jsonl"} | {path.parent.name: path for path in sorted(run.glob("compress/*/log.jsonl"))}
    return {name: read_log(path) for name, path in paths.items() if path.is_file()}


def read_log(path: Path) -> Log:
    """Read a training's log.

    Raises:
        DataFault: it is not what it should be.
    """
    steps, epochs = TypeAdapter(Step), TypeAdapter(Epoch)
    try:
        lines = list(_events(path))
        return Log(
            steps=[steps.validate_python(line) for line in lines if line.get("event") == "step"],
            epochs=[epochs.validate_python(line) for line in lines if line.get("event") == "epoch"],
        )
    except OSError as error:
        raise _fault(path, error.strerror or str(error)) from error
    except ValidationError as error:
        raise _fault(path, _first(error)) from error


def _events(path: Path) -> Iterator[dict[str, object]]:
    """Read the lines of a log; a line that a crash cut is passed over."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                event = json.loads(line, parse_constant=lambda _: None)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def _read_answers(folder: Path, candidate: str | None) -> Answers | None:
    ours, theirs = folder / f"{REFERENCE}.jsonl", folder / f"{candidate}.jsonl"
    if candidate is None or not ours.is_file() or not theirs.is_file():
        return None
    reference, other = read(ours, scores=True), read(theirs, scores=True)
    return Answers(candidate=candidate, paired=align(reference, other), reference=reference, theirs=other)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _fault(path: Path, reason: str) -> DataFault:
    return DataFault(
        say("{path}: {reason}", path=path, reason=reason),
        step=say("The file was changed or cut. Run the same `smelt run` command again: it writes what is missing."),
    )
