"""The fewest words that have to go, or be others, until the answer is another one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smelt.explain.attribution import Ask
from smelt.explain.words import Words, split_words

_MOST_EDITS = 8
_BEAM = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """One word that goes, or is replaced."""

    place: int
    """Number of the word in the text."""
    word: str
    instead: str | None
    """None: it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """A text close to the given one that gets another label."""

    text: str
    edits: tuple[Edit, ...]
    label: int
    probability: float


def find_counterfactual(ask: Ask, text: str, words: Sequence[str] = (), most: int = _MOST_EDITS) -> Counterfactual | None:
    """Return the closest text that was found to get another label; None where few edits do not change it.

    A beam search: all single edits of the best texts so far, by how improbable they make the label. At the end every edit that turns out
    not to be needed is taken back.

    Args:
        ask: answers texts.
        text: to change.
        words: that may stand in the place of others, such as those typical of other labels.
        most: edits.
    """
    own = split_words(text)
    label = int(ask([text])[0].argmax())
    beam: list[tuple[float, dict[int, str | None]]] = [(0.0, {})]
    for _ in range(min(most, len(own))):
        options = list({_key(edits): edits for _, before in beam for edits in _more(own, before, words)}.values())
        if not options:
            return None
        found = ask([_edited(own, edits) for edits in options])
        flips = [place for place in range(len(options)) if int(found[place].argmax()) != label]
        if flips:
            best = max(flips, key=lambda place: float(found[place].max()))
            return _pruned(ask, own, options[best], label)
        order = np.argsort(found[:, label], kind="stable")[:_BEAM]
        beam = [(float(found[place, label]), options[place]) for place in order]
    return None


def _more(own: Words, before: dict[int, str | None], words: Sequence[str]) -> list[dict[int, str | None]]:
    free = [place for place in range(len(own)) if place not in before]
    return [before | {place: instead} for place in free for instead in (None, *words)]


def _key(edits: dict[int, str | None]) -> frozenset:
    return frozenset(edits.items())


def _edited(own: Words, edits: dict[int, str | None]) -> str:
    ends = [start for start, _ in own.spans[1:]] + [len(own.text)]
    parts = []
    for place, (start, end) in enumerate(own.spans):
        if place not in edits:
            parts.append(own.text[start : ends[place]])
        elif edits[place] is not None:
            parts.append(str(edits[place]) + own.text[end : ends[place]])
    return "".join(parts).strip()


def _pruned(ask: Ask, own: Words, edits: dict[int, str | None], label: int) -> Counterfactual:
    for place in sorted(edits):
        fewer = {key: value for key, value in edits.items() if key != place}
        if fewer and int(ask([_edited(own, fewer)])[0].argmax()) != label:
            edits = fewer
    text, names = _edited(own, edits), own.names()
    found = ask([text])[0]
    done = tuple(Edit(place, names[place], edits[place]) for place in sorted(edits))
    return Counterfactual(text=text, edits=done, label=int(found.argmax()), probability=float(found.max()))
