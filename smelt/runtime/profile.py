"""What the texts were like that a bundle was made from, so that a server can tell when those it gets are different."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from smelt.errors import BundleFault
from smelt.language import say

FILE = "profile.json"
_BINS = 10
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Facts about texts, and about the answers to them."""

    texts: int
    labels: Mapping[str, float]
    """Share of each label among the answers. Fractions."""
    length_edges: Sequence[float]
    """Token counts between which the texts fall into bins of about equal size, rising."""
    lengths: Sequence[float]
    """Share of each bin; there is one more than edges."""
    unknown: float
    """Share of the tokens that the vocabulary does not hold."""


def make_profile(predictions: Sequence[str], tokens: Sequence[int], unknown: int, labels: Sequence[str]) -> Profile:
    """Return the profile of some texts.

    Args:
        predictions: the answer to each.
        tokens: of each.
        unknown: tokens of all of them that the vocabulary does not hold.
        labels: that can be answered.
    """
    counts = Counter(predictions)
    edges = np.unique(np.quantile(tokens, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return Profile(
        texts=len(predictions), labels={label: counts[label] / max(1, len(predictions)) for label in labels},
        length_edges=edges.tolist(), lengths=length_shares(tokens, edges.tolist()), unknown=unknown / max(1, sum(tokens)),
    )  # fmt: skip


def length_shares(tokens: Sequence[int], edges: Sequence[float]) -> list[float]:
    """Return the share of texts in each bin of token counts."""
    counts = np.bincount(np.searchsorted(edges, tokens, side="left"), minlength=len(edges) + 1)
    return (counts / max(1, len(tokens))).tolist()


def stability_index(expected: Sequence[float], found: Sequence[float], counts: tuple[int, int]) -> float:
    """Return the population stability index of two samples over the same bins, less what chance alone gives, not below 0.

    By custom 0.1 is worth a look, 0.25 an alarm. Two samples of n and m from one distribution over k bins have about (k - 1)(1/n + 1/m):
    with many labels and few texts that alone would be an alarm.

    Args:
        expected: shares of the first sample.
        found: shares of the second.
        counts: n and m.

    Source: Siddiqi 2006, Credit Risk Scorecards: the symmetric Kullback-Leibler divergence; Yurdakul and Naranjo 2020,
    doi:10.21314/JRMV.2020.227, for its distribution. Empty bins count as one in ten thousand.
    """
    first, second = (np.maximum(np.asarray(shares, float), _LEAST_SHARE) for shares in (expected, found))
    first, second = first / first.sum(), second / second.sum()
    chance = (len(first) - 1) * sum(1 / max(1, count) for count in counts)
    return max(0.0, float(((second - first) * np.log(second / first)).sum()) - chance)


def write_profile(folder: Path, profile: Profile) -> None:
    """Write the profile into a bundle's folder, before it is sealed."""
    (folder / FILE).write_text(json.dumps(asdict(profile), indent=1, ensure_ascii=False), encoding="utf-8")


def read_profile(folder: Path) -> Profile | None:
    """Read a bundle's profile; None where it has none.

    Raises:
        BundleFault: the file is something else.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        profile = Profile(**json.loads(path.read_text(encoding="utf-8")))
        if len(profile.lengths) != len(profile.length_edges) + 1 or not isinstance(profile.labels, dict):
            raise ValueError(say("numbers out of range"))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BundleFault(say("{path}: unreadable: {reason}", path=path, reason=error)) from error
    return profile
