"""Can the confidence be believed? Reliability of reference and candidate on confirm."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smelt.language import say
from smelt.markup import Html, chapter, note, panel, panels
from smelt.report import figures
from smelt.report.plots.reliability import Bin, reliability
from smelt.report.record import Answers, Record
from smelt.verify.predictions import UNKNOWN, Predictions

_BINS = 15


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


def group_bins(confidences_B: NDArray[np.floating], right_B: NDArray[np.bool_], bins: int = _BINS) -> list[Bin]:
    """Group examples by confidence into equally wide bins; empty ones are left out.

    A bin holds its upper edge, as in Guo et al. 2017, equation 3.
    """
    bins_B = np.clip(np.ceil(confidences_B * bins).astype(np.int64) - 1, 0, bins - 1)
    sizes = np.bincount(bins_B, minlength=bins)
    sums, rights = (np.bincount(bins_B, weights=values_B, minlength=bins) for values_B in (confidences_B, right_B))
    return [
        Bin(confidence=float(sums[at] / sizes[at]), accuracy=float(rights[at] / sizes[at]), count=int(sizes[at]))
        for at in np.flatnonzero(sizes).tolist()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean distance of confidence from accuracy. Fraction."""
    return sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / sum(one.count for one in bins)


def _bins_of(answers: Answers, side: Predictions, answers_B: NDArray[np.int32]) -> list[Bin]:
    if side.scores_BC is None:
        return []
    return group_bins(side.scores_BC.max(axis=1).astype(np.float64), answers_B == answers.paired.labels_B)


def _panel(title: str, kind: str, bins: Sequence[Bin]) -> Html:
    error = figures.percent(calibration_error(bins))
    alt = say("Reliability of the {model}: expected calibration error {error}", model=title, error=error)
    picture = reliability(bins, kind, (say("confidence"), say("share that is right")), alt)
    return panel(picture, title[:1].upper() + title[1:], say("Expected calibration error {error}", error=error))


def _told(record: Record) -> str:
    told = say("On the dashed line, answers given with 80 % confidence are right in 80 % of cases; below it, the model is too sure.")
    told += " " + say("The area of a dot is its number of examples, its bar the 95 % interval.")
    if record.details.temperature is not None:
        told += " " + say("Temperature: {temperature:.2f}, fitted on dev.", temperature=record.details.temperature)
    return told
