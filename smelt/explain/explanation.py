"""Explanations of some texts by several methods; the most faithful one is kept, by measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smelt.explain.attribution import Ask, Attribution, Method, attribute
from smelt.explain.counterfactual import Counterfactual, find_counterfactual
from smelt.explain.faithfulness import Faithfulness, measure

_INSTEAD = 3
"""Words of other labels that are tried in the place of a text's own."""
METHODS: tuple[Method, ...] = ("occlusion", "shapley")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Explanations of some texts."""

    method: str
    """The one that is shown: the most faithful of those tried."""
    found: Sequence[Attribution]
    counterfactuals: Sequence[Counterfactual | None]
    """The closest text found that gets another label, for each."""
    faithfulness: Mapping[str, Faithfulness]
    """Of every method tried."""


def explain(ask: Ask, texts: Sequence[str], *, label: int | None = None, method: Method | None = None) -> Explained:
    """Explain the answers to some texts.

    Args:
        ask: answers texts.
        texts: to explain.
        label: to explain; None takes each text's own answer.
        method: None tries all that need no gradients, and takes the one that proves most faithful on these texts.
    """
    tried = {one: [attribute(ask, text, label=label, method=one) for text in texts] for one in ((method,) if method else METHODS)}
    return choose(ask, tried)


def telling_words(found: Sequence[Attribution]) -> dict[int, str]:
    """Return for each label that was explained the word that added most to it."""
    best: dict[int, tuple[float, str]] = {}
    for one in found:
        for word, value in zip(one.words.names(), one.values.tolist(), strict=True):
            best[one.label] = max(best.get(one.label, (value, word)), (value, word))
    return {label: word for label, (_, word) in best.items()}


def choose(ask: Ask, tried: Mapping[str, Sequence[Attribution]]) -> Explained:
    """Measure explanations by several methods, and keep the best."""
    measured = {name: measure(ask, found) for name, found in tried.items()}
    best = max(measured, key=lambda name: measured[name].score)
    telling = telling_words(tried[best])
    closest = [
        find_counterfactual(ask, one.words.text, [word for label, word in telling.items() if label != one.label][:_INSTEAD])
        for one in tried[best]
    ]
    return Explained(method=best, found=tried[best], counterfactuals=closest, faithfulness=measured)
