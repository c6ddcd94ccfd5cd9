"""The nearest word to a misspelled one."""

from collections.abc import Iterable
from difflib import get_close_matches

_ELSEWHERE = {
    "batch_size": "batch_examples",
    "dataset": "data",
    "early_stopping": "patience",
    "embedding_dim": "dim",
    "hidden_size": "dim",
    "lr": "learning_rate",
    "max_grad_norm": "clip_norm",
    "max_length": "max_tokens",
    "max_seq_length": "max_tokens",
    "num_heads": "heads",
    "num_layers": "layers",
    "num_train_epochs": "epochs",
    "target": "label",
    "test": "confirm",
    "validation": "dev",
    "vocab_size": "size",
    "warmup_ratio": "warmup_share",
}
"""What other tools call our keys."""


def own_word(word: str) -> str:
    """Return our name for a key that other tools call `word`, or the word."""
    return _ELSEWHERE.get(word.lower().replace("-", "_"), word)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was most likely meant, or None if none is near.

    Case, `-`, `_` and spaces count for nothing. A third of the letters may be wrong; beyond that difflib's similarity decides.
    The names that other tools give to a candidate count as its own. Among equals the earlier candidate wins.
    """
    wanted, accepted = plain(word), list(candidates)
    meant = {own: own for own in accepted} | {name: own for name, own in _ELSEWHERE.items() if own in accepted}
    ranked = sorted(meant, key=lambda name: _rank(wanted, name))
    if not ranked or not wanted:
        return None
    if distance(wanted, plain(ranked[0])) <= max(1, len(wanted) // 3):
        return meant[ranked[0]]
    bare = {plain(name): meant[name] for name in reversed(ranked)}
    return next((bare[match] for match in get_close_matches(wanted[:80], bare, n=1, cutoff=0.7)), None)


def is_slip(word: str, candidate: str) -> bool:
    """Say whether one letter at most separates the two."""
    return distance(plain(word), plain(candidate)) <= 1


def distance(first: str, second: str) -> int:
    """Count the letters to insert, delete, substitute or swap with a neighbor to make one word the other.

    Source: optimal string alignment, Damerau 1964, doi:10.1145/363958.363994.
    """
    first, second = first[:80], second[:80]
    before, row = [], list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        before, row, above = row, [i], before
        for j, right in enumerate(second, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right)))
            if i > 1 and j > 1 and left == second[j - 2] and first[i - 2] == right:
                row[j] = min(row[j], above[j - 2] + 1)
    return row[-1]


def plain(word: str) -> str:
    """Return the word without what counts for nothing: case, `-`, `_` and spaces."""
    return word.lower().replace("-", "").replace("_", "").replace(" ", "")


def _rank(wanted: str, candidate: str) -> tuple[int, bool]:
    """Few errors first; among equals those that share the first letter."""
    bare = plain(candidate)
    return distance(wanted, bare), bare[:1] != wanted[:1]
