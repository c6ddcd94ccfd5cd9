"""Can the confidence be believed? Reliability of reference and candidate on confirm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smelt.language import say
from smelt.report import figures
from smelt.report.markup import Html, chapter, note, panel, panels
from smelt.report.plots.lines import Curve, square
from smelt.report.record import Answers, Record
from smelt.verify.predictions import UNKNOWN, Predictions

_BINS = 15
_LARGEST = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Examples answered with about the same confidence. Fractions."""

    confidence: float
    accuracy: float
    share: float
    """Of all examples."""


def calibration_section(record: Record) -> Html | None:
    """Return the chapter; None without probabilities."""
    answers = record.answers
    if answers is None or (answers.paired.labels_B == UNKNOWN).any():
        return None
    sides = [
        (title, kind, bins)
        for title, kind, bins in (
            (say("reference"), "reference", _bins_of(answers, answers.reference, answers.paired.reference_B)),
            (say("candidate"), "chosen", _bins_of(answers, answers.theirs, answers.paired.candidate_B)),
        )
        if bins
    ]
    if not sides:
        return None
    pictures = [_panel(title, kind, bins) for title, kind, bins in sides]
    return chapter("calibration", say("Can the confidence be believed?"), panels(*pictures), note(_told(record)))


def reliability(confidences_B: NDArray[np.floating], right_B: NDArray[np.bool_], bins: int = _BINS) -> list[Bin]:
    """Group examples by confidence into equally wide bins; empty ones are left out.

    A bin holds its upper edge, as in Guo et al. 2017, equation 3.
    """
    bins_B = np.clip(np.ceil(confidences_B * bins).astype(np.int64) - 1, 0, bins - 1)
    sizes = np.bincount(bins_B, minlength=bins)
    sums, rights = (np.bincount(bins_B, weights=values_B, minlength=bins) for values_B in (confidences_B, right_B))
    return [
        Bin(confidence=sums[at] / sizes[at], accuracy=rights[at] / sizes[at], share=sizes[at] / sizes.sum())
        for at in np.flatnonzero(sizes).tolist()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean distance of confidence from accuracy. Fraction."""
    return float(sum(one.share * abs(one.confidence - one.accuracy) for one in bins))


def _bins_of(answers: Answers, side: Predictions, answers_B: NDArray[np.int32]) -> list[Bin]:
    if side.scores_BC is None:
        return []
    return reliability(side.scores_BC.max(axis=1).astype(np.float64), answers_B == answers.paired.labels_B)


def _panel(title: str, kind: str, bins: Sequence[Bin]) -> Html:
    error = figures.percent(calibration_error(bins))
    largest = max(one.share for one in bins)
    dots = [max(2.0, _LARGEST * float(np.sqrt(one.share / largest))) for one in bins]
    curve = Curve(name=title, kind=kind, points=[(one.confidence, one.accuracy) for one in bins], dots=dots)
    alt = say("Reliability of the {model}: expected calibration error {error}", model=title, error=error)
    picture = square([curve], (say("confidence"), say("share that is right")), alt)
    return panel(picture, title[:1].upper() + title[1:], say("Expected calibration error {error}", error=error))


def _told(record: Record) -> str:
    told = say("On the dashed line, answers given with 80 % confidence are right in 80 % of cases; below it, the model is too sure.")
    told += " " + say("The area of a dot is its number of examples.")
    if record.details.temperature is not None:
        told += " " + say("Temperature: {temperature:.2f}, fitted on dev.", temperature=record.details.temperature)
    return told
