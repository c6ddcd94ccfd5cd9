"""What a certificate does not cover. The page and the model card say the same."""

from smelt.language import say
from smelt.types import Verdict


def claim_limits(verdict: Verdict, openings: int = 0) -> list[str]:
    """Return the limits of a verdict's claim, one sentence or two each.

    Args:
        verdict: certified or not.
        openings: how often answers were judged on this confirm set, this run's own among them; 0 where it is not known.
    """
    told = [
        say("The claim holds for the population that the {n} confirm examples sample, not for other texts.", n=f"{verdict.n:,}")
        + " "
        + say("If the texts change over time (drift), verify again on new ones."),
        say("It is bound to this runtime and these CPU instructions: {isa}.", isa=verdict.isa or say("unknown"))
        + " "
        + say("Int8 and bf16 arithmetic may round otherwise on another processor; verify again there."),
        say("Labels are taken as true: where they are wrong, both models are judged wrongly."),
        _about_classes(verdict),
        _about_confidence(verdict),
        say("Speed and memory were measured on this machine. Elsewhere the ratios differ."),
    ]
    if openings > 1:
        told.append(
            say("Answers were judged on this confirm set {n} times, this run's own among them.", n=openings)
            + " "
            + say("Models that were chosen after a look at it would be favored.")
        )
    return told


def _about_classes(verdict: Verdict) -> str:
    if any(one.kind == "recall" and one.label is not None for one in verdict.requirements):
        return say("Classes whose recall was not asked for in verify.also can lose more than the margin: see the table of classes.")
    return say("It is about accuracy over all classes together. A small class can lose more than the margin: see the table of classes.")


def _about_confidence(verdict: Verdict) -> str:
    return say(
        "At {confidence:g} % confidence about {false:.3g} % of runs in which the candidate truly loses the margin certify it all the same.",
        confidence=100 * verdict.confidence,
        false=100 * (1 - verdict.confidence),
    )
