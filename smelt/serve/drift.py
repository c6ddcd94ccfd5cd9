"""Are the texts that come like those that the bundle was made from? Label mix, lengths, words that the vocabulary does not hold."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from smelt.runtime.profile import Profile, length_shares, stability_index
from smelt.serve.worker import Run

_WINDOW = 5_000
"""Texts that are looked at: the last ones."""
_FEWEST = 500
"""Below so many nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """How far the last texts are from those of training. Population stability indices less chance: 0.1 is worth a look, 0.25 an alarm."""

    texts: int
    labels: float | None
    lengths: float | None
    unknown: float
    """Share of the tokens that the vocabulary does not hold. Fraction."""
    unknown_in_training: float


class Drift:
    """Watches the last texts of one bundle."""

    def __init__(self, profile: Profile, unknown: int | None) -> None:
        """Take what the bundle was made from, and the token that stands for what the vocabulary does not hold."""
        self._profile, self._unknown = profile, unknown
        self._last: deque[tuple[str, int, int]] = deque(maxlen=_WINDOW)

    def hear(self, run: Run) -> None:
        """Take a batch in."""
        if run.answers is None:
            return
        for item, label in zip(run.items, run.answers.predictions, strict=True):
            ids = item.payload.ids
            strange = 0 if self._unknown is None else int(np.count_nonzero(ids == self._unknown))
            self._last.append((label, len(ids), strange))

    def look(self) -> Drifted:
        """Return how far the last texts are from those of training."""
        labels, tokens, strange = zip(*self._last, strict=True) if self._last else ((), (), ())
        enough, profile = len(labels) >= _FEWEST, self._profile
        found = [labels.count(label) / max(1, len(labels)) for label in profile.labels]
        return Drifted(
            texts=len(labels),
            labels=stability_index(list(profile.labels.values()), found, (profile.texts, len(labels))) if enough else None,
            lengths=stability_index(
                profile.lengths, length_shares(tokens, profile.length_edges), (profile.texts, len(labels))
            ) if enough else None,
            unknown=sum(strange) / max(1, sum(tokens)), unknown_in_training=profile.unknown,
        )  # fmt: skip
