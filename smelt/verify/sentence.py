"""The verdict as a manager reads it, in the reader's language. "Certified", never "proved"."""

import math

from smelt.language import say
from smelt.types import Verdict
from smelt.verify import agreement, power


def compose(verdict: Verdict, *, borderline: bool, floor_dev: float | None = None, reference_dev: float | None = None) -> str:
    """Put a verdict into a few sentences.

    Args:
        verdict: all but its sentence is read.
        borderline: a second test decides otherwise.
        floor_dev: accuracy of the floor on dev. Fraction.
        reference_dev: accuracy of the reference on dev. Fraction. If it does not beat the floor's, that is said first.
    """
    parts = [_warning(reference_dev, floor_dev), _decision(verdict)]
    parts.append("" if verdict.certified else _advice(verdict))
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
    if not verdict.certified:
        return _refusal(words, labeled=labeled)
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
        if not verdict.certified or shown < verdict.margin_points:
            return f"{shown + 0.0:.{decimals}f}"
    return f"{upper:.9f}"


def _plain(points: float) -> str:
    """Show 1 as 1.0 and 0.25 as 0.25."""
    return f"{points:g}" if "." in f"{points:g}" else f"{points:.1f}"


def _about(count: int) -> str:
    """Round up to two significant digits."""
    unit = 10 ** max(len(str(count)) - 2, 0)
    return f"{math.ceil(count / unit) * unit:,}"
