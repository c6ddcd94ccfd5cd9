"""The verdict as a manager reads it, in the reader's language. "Certified", never "proved"."""

import math

from smelt.language import say
from smelt.types import Requirement, Verdict
from smelt.verify import agreement, power

_SHOWN = 3


def compose(verdict: Verdict, *, borderline: bool, floor_dev: float | None = None, reference_dev: float | None = None) -> str:
    """Put a verdict into a few sentences.

    Args:
        verdict: all but its sentence is read.
        borderline: a second test decides otherwise.
        floor_dev: accuracy of the floor on dev. Fraction.
        reference_dev: accuracy of the reference on dev. Fraction. If it does not beat the floor's, that is said first.
    """
    broken = [requirement for requirement in verdict.requirements if not requirement.kept]
    parts = [_warning(reference_dev, floor_dev), _decision(verdict), *map(_broken, broken[:_SHOWN])]
    if len(broken) > _SHOWN:
        parts.append(say("{n} more of verify.also are not kept.", n=len(broken) - _SHOWN))
    if verdict.requirements and not broken:
        parts.append(_kept(verdict))
    parts.append("" if _passed(verdict) else _advice(verdict))
    if borderline:
        parts.append(say("This is a borderline case: a second test decides otherwise."))
    return " ".join(part for part in parts if part)


def _warning(reference_dev: float | None, floor_dev: float | None) -> str:
    if reference_dev is None or floor_dev is None or reference_dev > floor_dev:
        return ""
    return say(
        "The reference is no better than the floor: {reference:.1f} % against {floor:.1f} % on dev for TF-IDF with a linear model.",
        reference=100 * reference_dev,
        floor=100 * floor_dev,
    )


def _decision(verdict: Verdict) -> str:
    words = {
        "confidence": f"{100 * verdict.confidence:g}",
        "candidate": f"`{verdict.candidate}`" if verdict.candidate else say("the candidate"),
        "upper": _rounded_up(verdict),
        "margin": _plain(verdict.margin_points),
        "n": f"{verdict.n:,}",
    }
    labeled = verdict.drop_points is not None
    if not _passed(verdict):
        return _refusal(words, labeled=labeled)
    if not verdict.certified:
        return say(
            "Not certified at {confidence} %: {candidate} loses at most {upper} points of accuracy (margin {margin}, on {n} examples), but "
            "breaks what verify.also asks.",
            **words,
        )
    if not labeled:
        return say(
            "Certified at {confidence} % without labels: {candidate} changes at most {upper} % of the answers, so it loses at most "
            "{upper} points of accuracy against the reference (margin {margin}), on {n} examples.",
            **words,
        )
    if words["upper"].startswith("-"):
        return say(
            "Certified at {confidence} %: {candidate} is at least {gain} points of accuracy better than the reference, on {n} examples.",
            gain=words["upper"][1:],
            **words,
        )
    return say(
        "Certified at {confidence} %: {candidate} loses at most {upper} points of accuracy against the reference (margin {margin}), "
        "on {n} examples.",
        **words,
    )


def _passed(verdict: Verdict) -> bool:
    """Say whether accuracy alone is certified, whatever else is broken."""
    broken = any(not requirement.kept for requirement in verdict.requirements)
    return verdict.certified or (broken and verdict.p_value <= 1 - verdict.confidence)


def _broken(requirement: Requirement) -> str:
    name = named(requirement)
    words = {"upper": f"{requirement.upper:.4g}", "margin": f"{requirement.margin:g}", "n": f"{requirement.n:,}"}
    if requirement.kind == "cost":
        return say("{name} may rise by {upper} per document; margin {margin}, on {n} examples.", name=name, **words)
    return say("{name} may fall by {upper} points; margin {margin}, on {n} examples.", name=name, **words)


def _kept(verdict: Verdict) -> str:
    """Say what is kept beside accuracy, and what of it is only estimated."""
    kept = list(dict.fromkeys(named(requirement) for requirement in verdict.requirements))
    estimated = list(dict.fromkeys(named(requirement) for requirement in verdict.requirements if requirement.level == "estimate"))
    shown = ", ".join(kept[:_SHOWN]) + (", …" if len(kept) > _SHOWN else "")
    said = say("Kept as well: {names}.", names=shown)
    return f"{said} {say('Estimated, not certified: {names}.', names=', '.join(estimated))}" if estimated else said


def named(requirement: Requirement) -> str:
    """Return what a requirement is about, in the reader's language."""
    match requirement.kind:
        case "recall":
            return say("recall of '{label}'", label=requirement.label)
        case "macro_f1":
            return say("macro-F1")
        case "auroc":
            return say("the area under the ROC curve")
        case _:
            return say("the mean cost of mistakes")


def _refusal(words: dict[str, str], *, labeled: bool) -> str:
    if labeled:
        return say(
            "Not certified at {confidence} %: the loss of {candidate} may be as large as {upper} points of accuracy; margin {margin}, "
            "on {n} examples.",
            **words,
        )
    return say(
        "Not certified at {confidence} % without labels: {candidate} may change as much as {upper} % of the answers; margin {margin}, "
        "on {n} examples.",
        **words,
    )


def _advice(verdict: Verdict) -> str:
    margin = verdict.margin_points / 100
    if verdict.lost is None or verdict.won is None:
        wanted = agreement.sample_size(margin, 1 - verdict.agreement, verdict.confidence)
        if wanted is None:
            return say("Only labels can decide it: more answers change than the margin allows.")
        return say("About {more} more examples would decide it, if the changes stay as seen.", more=_about(max(wanted - verdict.n, 1)))
    more = power.more_needed(verdict.lost, verdict.won, verdict.n, margin=margin, confidence=verdict.confidence)
    if more is None:
        return say("It lost {drop:.2f} points on these examples, so more of them would hardly help.", drop=verdict.drop_points)
    return say("About {more} more labeled examples would decide it, if the drop stays as seen.", more=_about(more))


def _rounded_up(verdict: Verdict) -> str:
    """Show the bound with two decimals, never below itself, and with more where it would look like the margin that it keeps."""
    upper = verdict.upper_points or 0.0
    for decimals in range(2, 7):
        shown = math.ceil(upper * 10**decimals) / 10**decimals
        if not _passed(verdict) or shown < verdict.margin_points:
            return f"{shown + 0.0:.{decimals}f}"
    return f"{upper:.9f}"


def _plain(points: float) -> str:
    """Show 1 as 1.0 and 0.25 as 0.25."""
    return f"{points:g}" if "." in f"{points:g}" else f"{points:.1f}"


def _about(count: int) -> str:
    """Round up to two significant digits."""
    unit = 10 ** max(len(str(count)) - 2, 0)
    return f"{math.ceil(count / unit) * unit:,}"
