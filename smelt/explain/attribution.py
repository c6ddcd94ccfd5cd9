"""What each word adds to a label: occlusion, and Shapley values by sampled orders. Both ask about texts that lack words.

Shape letters: W words, K texts to ask about, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from smelt.explain.words import Words, split_words

Method = Literal["occlusion", "shapley"]
Ask = Callable[[Sequence[str]], NDArray[np.float32]]
"""Returns calibrated probabilities of texts. Shape (K, C)."""
ORDERS = 12
"""In which words are put back, for Shapley values; each is taken backwards too."""
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Plan:
    """Texts to ask about, and what becomes of the answers."""

    texts: list[str]
    finish: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """Takes the log-odds of the label for each text, shape (K,); returns what each word adds to them, shape (W,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What each word of a text adds to the log-odds of a label."""

    words: Words
    values: NDArray[np.float64]
    """Shape (W,); below 0 it speaks against the label."""
    label: int
    probability: float
    """Of the label, for the whole text."""
    method: str


def attribute(ask: Ask, text: str, *, label: int | None = None, method: Method = "occlusion", seed: int = 0) -> Attribution:
    """Explain the answer to a text.

    Args:
        ask: answers texts.
        text: to explain.
        label: to explain; None takes the one that is answered.
        method: `occlusion` (one question per word) or `shapley` (sampled orders, several questions per word).
        seed: of the orders.
    """
    words = split_words(text)
    whole = ask([text])[0]
    chosen = int(whole.argmax()) if label is None else label
    plan = make_plan(words, method, seed)
    values = plan.finish(log_odds(ask(plan.texts)[:, chosen])) if plan.texts else np.zeros(len(words))
    return Attribution(words=words, values=values, label=chosen, probability=float(whole[chosen]), method=method)


def make_plan(words: Words, method: Method, seed: int = 0) -> Plan:
    """Return the texts to ask about."""
    match method:
        case "occlusion":
            return _occlusion(words)
        case "shapley":
            return _shapley(words, seed)
        case _:
            assert_never(method)


def questions(words: Words, method: Method) -> int:
    """Return how many texts are asked about, at most."""
    return 1 + len(words) * (1 if method == "occlusion" else 2 * ORDERS)


def log_odds(probabilities: NDArray) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), finite."""
    sure = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    return np.log(sure) - np.log1p(-sure)


def _occlusion(words: Words) -> Plan:
    """Take one word out at a time. Zeiler and Fergus 2014, arXiv 1311.2901; Li, Monroe and Jurafsky 2016, arXiv 1612.08220."""
    texts = [words.text, *(words.without([number]) for number in range(len(words)))]
    return Plan(texts, lambda odds: odds[0] - odds[1:])


def _shapley(words: Words, seed: int) -> Plan:
    """Put words back in random orders, each order once more backwards; a word's value is the mean of what it added.

    Source: Castro, Gomez and Tejada 2009, doi:10.1016/j.cor.2008.04.004; antithetic orders: Mitchell et al. 2022, arXiv 2104.12199.
    """
    generator, count = np.random.default_rng(seed), len(words)
    forwards = [generator.permutation(count) for _ in range(ORDERS if count else 0)]
    orders = [order for one in forwards for order in (one, one[::-1])]
    numbers: dict[frozenset[int], int] = {}
    paths = []
    for order in orders:
        sets = [frozenset(order[:size].tolist()) for size in range(count + 1)]
        paths.append([numbers.setdefault(one, len(numbers)) for one in sets])

    def finish(odds: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros(count)
        for order, path in zip(orders, paths, strict=True):
            total[order] += np.diff(odds[path])
        return total / max(1, len(orders))

    return Plan([words.keep(one) for one in numbers], finish)
