"""Two graphs in one bundle: a fast one answers what it is sure of, the rest goes to a slow one.

Shape letters: B examples, C classes.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from smelt.errors import BundleFault
from smelt.language import say
from smelt.tasks.classify import softmax
from smelt.tasks.padding import take
from smelt.types import Arrays, Session

FILE = "cascade.json"
FAST, SLOW = "fast", "slow"
"""Folders of the two graphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When the slow graph is asked."""

    threshold: float
    """Confidence below which the fast answer is not taken. Fraction."""
    fast_temperature: float
    """Divides the fast graph's scores, so that its confidence can be believed."""
    slow_temperature: float

    def save(self, folder: Path) -> None:
        """Write the rule into a bundle's folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


def read_rule(folder: Path) -> Rule:
    """Read what `save` wrote.

    Raises:
        BundleFault: the file is damaged, or a number makes no sense.
    """
    try:
        rule = Rule(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        numbers = (rule.threshold, rule.fast_temperature, rule.slow_temperature)
        if not all(isinstance(number, float) and math.isfinite(number) and number >= 0 for number in numbers) or not all(numbers[1:]):
            raise ValueError(say("numbers out of range"))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BundleFault(say("{path}: unreadable: {reason}", path=folder / FILE, reason=error)) from error
    return rule


@final
class CascadeSession:
    """Both graphs as one session; its scores are the answering graph's, divided by that graph's temperature."""

    def __init__(self, fast: Session, slow: Session, rule: Rule) -> None:
        """Take both sessions; the slow one decides what the cascade is called, since it decides the doubtful answers."""
        self._fast, self._slow, self._rule = fast, slow, rule
        self.runtime, self.precision, self.threads = slow.runtime, slow.precision, slow.threads

    def scores(self, arrays: Arrays) -> NDArray[np.float32]:
        """Return class scores, shape (B, C)."""
        scores_BC = self._fast.scores(arrays) / np.float32(self._rule.fast_temperature)
        unsure = np.flatnonzero(confidences(scores_BC) < self._rule.threshold)
        if len(unsure):
            scores_BC[unsure] = self._slow.scores(take(arrays, unsure)) / np.float32(self._rule.slow_temperature)
        return scores_BC


def confidences(scores_BC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest probability of each row. Shape (B,)."""
    return softmax(scores_BC).max(axis=1, initial=0.0)
