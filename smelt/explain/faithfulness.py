"""Do the words that an explanation names make the answer? Take them out, or keep them alone, and see.

Source: DeYoung et al. 2020, arXiv 1911.03429 (ERASER), section 4: comprehensiveness, sufficiency, and their mean over shares of the words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smelt.explain.attribution import Ask, Attribution

SHARES = (0.05, 0.1, 0.2, 0.5)
"""Of the words that are taken out, or kept; at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faithfulness:
    """Means over texts. Probabilities of the explained label, fractions."""

    texts: int
    comprehensiveness: float
    """How far the probability falls without the words that count most. The higher the better."""
    sufficiency: float
    """How far it falls with them alone. The lower the better."""
    deletion: float
    """Area under the probability as words are taken out, most important first. The lower the better."""

    @property
    def score(self) -> float:
        """Return what methods are compared by: comprehensiveness minus sufficiency."""
        return self.comprehensiveness - self.sufficiency


def measure(ask: Ask, found: Sequence[Attribution]) -> Faithfulness:
    """Return how faithful explanations are, measured on the model itself."""
    rows = np.array([_measured(ask, one) for one in found if len(one.words)])
    if not len(rows):
        return Faithfulness(texts=0, comprehensiveness=0.0, sufficiency=0.0, deletion=0.0)
    means = rows.mean(axis=0).tolist()
    return Faithfulness(texts=len(rows), comprehensiveness=means[0], sufficiency=means[1], deletion=means[2])


def _measured(ask: Ask, one: Attribution) -> tuple[float, float, float]:
    order = np.argsort(-one.values, kind="stable").tolist()
    tops = [order[: max(1, round(share * len(order)))] for share in SHARES]
    curve = [order[: round(share * len(order))] for share in np.linspace(0, 1, 11)]
    texts = [
        *(one.words.without(top) for top in tops),
        *(one.words.keep(top) for top in tops),
        *(one.words.without(gone) for gone in curve),
    ]
    found = ask(texts)[:, one.label].astype(float)
    without, alone, left = np.split(found, [len(tops), 2 * len(tops)])
    return float(one.probability - without.mean()), float(one.probability - alone.mean()), float((left[1:] + left[:-1]).mean() / 2)
