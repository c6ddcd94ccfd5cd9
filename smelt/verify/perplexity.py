"""How well language models guess the same documents: perplexity with its unit, and two of them compared by the paired bootstrap.

Shape letters: N documents, R resamples.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from smelt.errors import DataFault
from smelt.language import say

Unit = Literal["token", "byte"]
_NUMBERS_AT_ONCE = 20_000_000
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True)
class Guesses:
    """What one model's guesses cost, document by document."""

    ids: Sequence[str]
    nats_N: NDArray[np.float64]
    tokens_N: NDArray[np.int64]
    """Tokens guessed."""
    bytes_N: NDArray[np.int64]
    """Of the document in UTF-8."""
    masked: bool = False
    """Whether only covered tokens were guessed: a sample, which has no figure per byte."""

    def size(self, unit: Unit) -> NDArray[np.int64]:
        """Return how many units each document has. Shape (N,)."""
        return self.tokens_N if unit == "token" else self.bytes_N

    def loss(self, unit: Unit) -> float:
        """Return the nats per unit."""
        return float(self.nats_N.sum() / max(1, self.size(unit).sum()))

    def perplexity(self, unit: Unit) -> float:
        """Return e to the power of the nats per unit."""
        return math.exp(min(self.loss(unit), _LARGEST_EXPONENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How much the loss differs between two models. Nats per unit; below 0 the second guesses better."""

    unit: Unit
    reference: float
    candidate: float
    difference: float
    lower: float
    upper: float
    """Ends of the two-sided interval."""
    confidence: float
    documents: int


def compare(
    reference: Guesses, candidate: Guesses, unit: Unit, *, confidence: float = 0.95, seed: int = 0, resamples: int = 2000
) -> Change:  # fmt: skip
    """Estimate by how much a second model guesses better or worse, by the paired bootstrap over documents (percentiles).

    Args:
        reference: the first model's guesses.
        candidate: the second's, on the same documents.
        unit: `byte` compares models with different tokens; `token` needs the same ones.
        confidence: two-sided, fraction.
        seed: of the resamples.
        resamples: more of them steady the ends.

    Raises:
        DataFault: the documents, or what was guessed in them, are not the same.

    Source: Efron and Tibshirani 1993, chapter 13; Koehn 2004 for pairs.
    """
    if list(reference.ids) != list(candidate.ids) or (reference.bytes_N != candidate.bytes_N).any():
        raise DataFault(say("the two models did not guess the same documents"), step=say("Compare files of the same split."))
    if unit == "token" and (reference.tokens_N != candidate.tokens_N).any():
        raise DataFault(say("the two models did not guess the same tokens"), step=say("Compare models that share their tokenizer."))
    if unit == "byte" and (reference.masked or candidate.masked):
        raise DataFault(
            say("only covered tokens were guessed, and not the same ones: they have no figure per byte"),
            step=say("Compare models that share their tokenizer."),
        )
    sizes_N, rng, drawn = reference.size(unit), np.random.default_rng(seed), []
    gaps_N, count = candidate.nats_N - reference.nats_N, len(reference.ids)
    most = max(1, _NUMBERS_AT_ONCE // max(1, count))
    for start in range(0, resamples, most):
        picks = rng.integers(0, count, (min(most, resamples - start), count))
        drawn.append(gaps_N[picks].sum(1) / np.maximum(1, sizes_N[picks].sum(1)))
    lower, upper = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Change(
        unit=unit, reference=reference.loss(unit), candidate=candidate.loss(unit),
        difference=candidate.loss(unit) - reference.loss(unit), lower=float(lower), upper=float(upper), confidence=confidence,
        documents=count,
    )  # fmt: skip


def write_guesses(path: Path, guesses: Guesses) -> None:
    """Write a line of JSON per document."""
    with path.open("w", encoding="utf-8") as stream:
        for name, nats, tokens, size in zip(guesses.ids, guesses.nats_N, guesses.tokens_N, guesses.bytes_N, strict=True):
            line = {"id": name, "nats": round(float(nats), 6), "tokens": int(tokens), "bytes": int(size)}
            line |= {"masked": True} if guesses.masked else {}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_guesses(path: Path) -> Guesses:
    """Read what `write_guesses` wrote.

    Raises:
        DataFault: a line is something else; it is named.
    """
    ids, numbers, masked = [], [], False
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                told = json.loads(line)
                numbers.append((_finite(told["nats"]), int(told["tokens"]), int(told["bytes"])))
                masked = masked or bool(told.get("masked"))
                ids.append(str(told["id"]))
    except OSError as error:
        raise DataFault(say("{path}: {reason}", path=path, reason=error.strerror)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFault(
            say("{path}:{line}: no guesses of a language model: want id, nats, tokens and bytes", path=path, line=len(ids) + 1),
            step=say("`smelt run` of a language task writes such files: RUN/verify/reference.jsonl."),
        ) from error
    if not ids:
        raise DataFault(say("{path}: no rows", path=path))
    nats_N, tokens_N, bytes_N = zip(*numbers, strict=True)
    return Guesses(ids, np.array(nats_N), np.array(tokens_N, np.int64), np.array(bytes_N, np.int64), masked)


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def compare_files(reference: str, candidate: str, confidence: float) -> tuple[Change, str]:
    """Compare two files of guesses: per token where both models guessed the same tokens, else per byte. Return it in words too.

    Raises:
        DataFault: a file is damaged, or they are of other documents.
    """
    before, after = read_guesses(Path(reference)), read_guesses(Path(candidate))
    alike = len(before.ids) == len(after.ids) and bool((before.tokens_N == after.tokens_N).all())
    change = compare(before, after, "token" if alike else "byte", confidence=confidence)
    return change, sentence(change, masked=before.masked)


def are_guesses(path: str) -> bool:
    """Say whether a file begins as one of guesses does, not one of answers."""
    try:
        with Path(path).open(encoding="utf-8") as stream:
            told = json.loads(stream.readline(1 << 20))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and "nats" in told


def sentence(change: Change, *, masked: bool) -> str:
    """Say it to a person."""
    if change.lower <= 0 <= change.upper:
        verdict = say("no difference can be told")
    else:
        verdict = say("guesses better") if change.upper < 0 else say("guesses worse")
    what = say("per covered token") if masked else say("per token") if change.unit == "token" else say("per byte")
    return say(
        "On {n:,} documents: {before:.4f} nats {unit} before, {after:.4f} after: {gap:+.4f} ({share:.0%}: {lower:+.4f} to {upper:+.4f}), "
        "{verdict}.",
        n=change.documents, before=change.reference, unit=what, after=change.candidate, gap=change.difference, share=change.confidence,
        lower=change.lower, upper=change.upper, verdict=verdict,
    )  # fmt: skip
