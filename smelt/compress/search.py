"""The search: the reference and its students, each in every format that can hold it, each trained, exported, run and timed.

Every student and every candidate is a stage of the run folder, so a search that was cut goes on where it stopped.
"""

import logging
import time
from collections.abc import Sequence

from smelt.compress.cascade import cascades
from smelt.compress.halving import Survivor, halve, side_by_side, teach_elsewhere, training_of
from smelt.compress.limits import breaches
from smelt.compress.linear import try_linear
from smelt.compress.stages import Taught, answers_to_more, student_stage, transfer_stage
from smelt.compress.students import auto_students, names_of, steps_of
from smelt.compress.tokens import check_vocabulary, prune_tokens
from smelt.compress.trial import Formats, Search, Training, Trial, certificate_chance, try_formats
from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.build import Model
from smelt.recipe.compress import Format, Linear, NetworkStudent
from smelt.types import Candidate
from smelt.verify.order import worth

_LOG = logging.getLogger("smelt")
_LOST_IN_INT8 = 0.01
"""Accuracy on dev that int8 may cost before a student is taught to round. Fraction."""

_FEWER = "used"
"""As `compress.vocabulary` calls it."""
_LEAST_ROUNDING = 0.25
"""Of what a student took, teaching it to round has at least so much time: it is wanted where int8 is lost otherwise."""


def search(plan: Search) -> list[Trial]:
    """Try the grid: first the reference's own formats, which need no training, then student after student while there is time.

    Returns:
        Every candidate, also those that failed or were not tried, with the reason in `why`.
    """
    trials = try_formats(plan, plan.name, plan.reference, [])
    students = auto_students(plan.reference.network) if plan.section.students == "auto" else plan.section.students
    started = time.monotonic()
    if students:
        transfer_stage(plan)
    left = plan.seconds - (time.monotonic() - started)
    named = dict(zip(names_of(students), students, strict=True))
    networks: dict[str, NetworkStudent] = {}
    for name, section in named.items():
        if isinstance(section, Linear):
            trials += try_linear(plan, name, section, steps_of(section, plan.reference.network), answers_to_more(plan))
        else:
            networks[name] = section
    halved = halve(plan, networks, trials)
    trials += [_given_up(plan, name, networks[name], why) for name, why in halved.dropped.items()]
    left = _teach_all(plan, halved.survivors, left - halved.seconds, trials)
    if plan.section.finalist_seeds:
        _repeat_finalist(plan, halved.survivors, left, trials)
    return trials + (cascades(plan, trials) if plan.section.cascade == "auto" else [])


def _teach_all(plan: Search, survivors: dict[str, Survivor], left: float, trials: list[Trial]) -> float:
    """Teach and export one student after the other; return the time that is left. A student may take twice its share, but the last."""
    own = list(trials) if plan.section.search == "auto" else []
    failed = teach_elsewhere(plan, survivors, left / max(1, len(survivors)), lambda name: f"compress/{name}")
    students, at_once = list(survivors.items()), side_by_side(plan, len(survivors))
    for place, (name, survivor) in enumerate(students):
        started, others = time.monotonic(), len(students) - place
        share = left / others * (2 if others > 1 else 1)
        try:
            if name in failed:
                raise UsageFault(failed[name])
            if left <= 0 and place and plan.elsewhere is None:
                raise UsageFault(say("the others took all the time there was"), step=say("Set a larger budget_minutes."))
            taught = student_stage(plan, training_of(plan, name, survivor, min(share, left)))
        except UsageFault as fault:  # such as more layers than the reference has: the others are taught all the same
            _LOG.warning("%s: %s", name, fault.message)
            trials.append(_given_up(plan, name, survivors.pop(name).section, say("not taught: {reason}", reason=fault.message)))
            continue
        left -= max(taught.seconds / at_once, time.monotonic() - started)
        found = _export(plan, name, survivor.section, taught, own)
        trials += found
        if taught.dev_score >= plan.least_dev_score and plan.section.quantize_aware == "auto" and (poor := _poor_in_int8(taught, found)):
            started = time.monotonic()
            seconds = max(min(left, taught.seconds), taught.seconds * _LEAST_ROUNDING)
            trials += _taught_to_round(plan, name, survivor.section, seconds, poor)
            left -= time.monotonic() - started
    return left


def _export(plan: Search, name: str, section: NetworkStudent, taught: Taught, own: Sequence[Trial]) -> list[Trial]:
    steps = steps_of(section, plan.reference.network)
    hopeless = taught.dev_score < plan.least_dev_score
    if hopeless and plan.section.cascade == "none" and plan.section.search == "auto":
        why = say("not exported: {score:.4f} on dev, and below {least:.4f} no certificate is in reach",
                  score=taught.dev_score, least=plan.least_dev_score)  # fmt: skip
        return [_untried(name, steps, taught.dev_score, why)]
    most = 1 if hopeless and plan.section.search == "auto" else None
    formats = Formats(own=own, live=taught.dev_score, most=most)
    return (
        try_formats(plan, name, _exported(plan, taught.model), steps, formats)
        if hopeless
        else _exports(plan, name, taught.model, steps, formats)
    )


def _exports(plan: Search, name: str, model: Model, steps: Sequence[str], formats: Formats) -> list[Trial]:
    found = try_formats(plan, name, _exported(plan, model), steps, formats)
    return found + _with_fewer_tokens(plan, name, model, steps, found)


def _with_fewer_tokens(plan: Search, name: str, model: Model, steps: Sequence[str], found: Sequence[Trial]) -> list[Trial]:
    """Try the smallest format again with the tokens of train alone, where bytes are limited and no format keeps the limit."""
    sizes: dict[Format, int] = {
        trial.form: trial.candidate.size_bytes or 0 for trial in found if trial.form and trial.dev_scores is not None
    }
    limit = plan.section.limits.size_bytes
    if limit == "none" or plan.section.vocabulary == "used" or min(sizes.values(), default=0) <= limit:
        return []
    try:
        check_vocabulary(model.codec.encoder)
    except UsageFault:
        return []
    smallest = min(sizes, key=lambda form: sizes[form])
    formats = Formats(only=smallest, vocabulary=f"-{_FEWER}")
    return try_formats(plan, name, prune_tokens(model, plan.rows), [*steps, "vocabulary: tokens of train"], formats)


def _exported(plan: Search, model: Model) -> Model:
    """Return what leaves the building: the model, or one that knows only the tokens of train."""
    return prune_tokens(model, plan.rows) if plan.section.vocabulary == "used" else model


def _poor_in_int8(taught: Taught, found: Sequence[Trial]) -> Format | None:
    """Return an int8 format that lost what the live network knew, if no other int8 format kept it."""
    rounded = [trial for trial in found if trial.form and trial.form.endswith("-int8") and trial.candidate.dev_score is not None]
    best = max(rounded, key=lambda trial: trial.candidate.dev_score or 0.0, default=None)
    kept = (best.candidate.dev_score or 0.0) if best else 1.0
    return best.form if best and kept < taught.dev_score - _LOST_IN_INT8 else None


def _taught_to_round(plan: Search, name: str, section: NetworkStudent, seconds: float, form: Format) -> list[Trial]:
    """Teach a student on while it rounds as int8 does, and export it to int8 again."""
    again = f"{name}-rounded"
    training = Training(name=again, section=section, seconds=seconds, seed=plan.train.seed, start=f"compress/{name}", quantized=True)
    taught, steps = student_stage(plan, training), [*steps_of(section, plan.reference.network), "quantization-aware training"]
    return _exports(plan, again, taught.model, steps, Formats(only=form))


def _repeat_finalist(plan: Search, survivors: dict[str, Survivor], left: float, trials: list[Trial]) -> None:
    """Teach the most promising student again with other seeds, while there is time for as much as it took."""
    rated = {name: _best(plan, name, trials) for name in survivors}
    promising = [name for name in survivors if rated[name] > 0]
    if not promising:
        return
    name = max(promising, key=lambda one: rated[one])
    section, steps = survivors[name].section, steps_of(survivors[name].section, plan.reference.network)
    form = max((trial for trial in trials if trial.source == name), key=lambda trial: _worth(plan, trial, trials)).form
    taken = student_stage(plan, training_of(plan, name, survivors[name], 0.0)).seconds
    for number in range(1, plan.section.finalist_seeds + 1):
        started = time.monotonic()
        if taken > left:
            return
        seed = plan.train.seed + number
        again = f"{name}-seed{seed}"
        taught = student_stage(plan, Training(name=again, section=section, seconds=left, seed=seed))
        left -= max(taught.seconds, time.monotonic() - started)
        trials += _exports(plan, again, taught.model, [*steps, f"seed: {seed}"], Formats(only=form))


def _best(plan: Search, name: str, trials: Sequence[Trial]) -> float:
    return max((_worth(plan, trial, trials) for trial in trials if trial.source == name), default=0.0)


def _worth(plan: Search, trial: Trial, trials: Sequence[Trial]) -> float:
    """Return the chance of a certificate, times what it would be worth beside the costliest of all trials."""
    if trial.dev_scores is None or breaches(trial.candidate, plan.section.limits):
        return 0.0
    highest = max(plan.cost(one.candidate) for one in trials if one.dev_scores is not None)
    return certificate_chance(plan, trial.dev_scores) * worth(plan.cost(trial.candidate), highest)


def _given_up(plan: Search, name: str, section: NetworkStudent, why: str) -> Trial:
    return _untried(name, steps_of(section, plan.reference.network), None, why)


def _untried(name: str, steps: Sequence[str], dev_score: float | None, why: str) -> Trial:
    candidate = Candidate(name=name, steps=steps, runtime="torch", precision="fp32", dev_score=dev_score, why=why)
    return Trial(candidate=candidate, source=name, folder=None, dev_scores=None)
