"""Classification: text in, one label out. The same codec encodes in training and in serving; the bundle stores its settings.

Shape letters: B examples, C classes.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smelt.errors import BundleFault, DataFault
from smelt.language import say
from smelt.tasks.ngrams import NgramEncoder, is_words
from smelt.tasks.tokens import TokenEncoder
from smelt.tasks.windows import Windows
from smelt.types import Arrays

if TYPE_CHECKING:
    from numpy import float32, int64
    from numpy.typing import NDArray

SETTINGS = "codec.json"
LABELS = "labels.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Answers:
    """Decoded scores of a batch."""

    predictions: list[str]
    confidences: "NDArray[float32]"
    """Calibrated probability of the predicted label. Shape (B,)."""
    probabilities: "NDArray[float32]"
    """Shape (B, C), rows sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyCodec:
    """Everything between text and scores, and between scores and labels."""

    labels: tuple[str, ...]
    encoder: TokenEncoder | NgramEncoder
    temperature: float = 1.0
    """Divides the scores before softmax; fitted on dev. Guo et al. 2017, section 4."""
    windows: Windows | None = None
    """How a transformer reads documents that are longer than it can read at once."""

    def encode(self, texts: Sequence[str]) -> Arrays:
        """Return the numbers a session reads."""
        return self.encoder.encode(texts)

    def is_cut(self, text: str, tokens: int) -> bool:
        """Say whether a text of which so many tokens were read has more."""
        return self.encoder.is_cut(text, tokens)

    def encode_labels(self, labels: Sequence[str], ids: Sequence[str]) -> "NDArray[int64]":
        """Return class numbers. Shape (B,).

        Raises:
            DataFault: a label is none of the task's; the message names its row.
        """
        number = {label: index for index, label in enumerate(self.labels)}
        for label, row in zip(labels, ids, strict=True):
            if label not in number:
                raise DataFault(
                    say("row {row}: label '{label}' is not one of the {n} labels seen in training", row=row, label=label, n=len(number)),
                    step=say("Correct the label, or put rows with this label into train."),
                )
        return np.fromiter((number[label] for label in labels), np.int64, len(labels))

    def unknown_tokens(self, arrays: Arrays) -> int:
        """Count the tokens that stand for what the vocabulary does not hold; n-grams know no such token."""
        number = self.encoder.unknown if isinstance(self.encoder, TokenEncoder) else None
        return 0 if number is None else int(np.count_nonzero(arrays.ids == number))

    def decode(self, scores: "NDArray[float32]") -> Answers:
        """Return the label with the highest score (the first of equals) and calibrated probabilities."""
        probabilities = softmax(scores / np.float32(self.temperature))
        best = scores.argmax(axis=1)
        confidences = probabilities[np.arange(len(best)), best]
        return Answers([self.labels[index] for index in best], confidences, probabilities)

    def with_temperature(self, temperature: float) -> "ClassifyCodec":
        """Return the same codec with another temperature."""
        return replace(self, temperature=temperature)

    def save(self, folder: Path) -> None:
        """Write settings, labels and the encoder's file into a folder."""
        settings = {"format": _FORMAT, "kind": "classify", "temperature": self.temperature, "encoder": self.encoder.save(folder)}
        if self.windows:
            settings["windows"] = asdict(self.windows)
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2), encoding="utf-8")
        (folder / LABELS).write_text(json.dumps(self.labels, ensure_ascii=False, indent=0), encoding="utf-8")


def load_codec(folder: Path) -> ClassifyCodec:
    """Open the codec that `save` wrote.

    Raises:
        BundleFault: a file is missing or is not what `save` writes.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
        encoder = settings["encoder"]
        temperature = float(settings["temperature"])
        if settings["format"] != _FORMAT or settings["kind"] != "classify":
            raise ValueError(say("unknown format {format}", format=settings["format"]))
        if not is_words(labels) or not labels:
            raise ValueError(say("the labels are not different words"))
        if not (math.isfinite(temperature) and temperature > 0):
            raise ValueError(say("temperature {found} is not above 0", found=temperature))
        kinds = {TokenEncoder.kind: TokenEncoder.load, NgramEncoder.kind: NgramEncoder.load}
        loaded = kinds[encoder["kind"]](folder, encoder)
        windows = Windows(**settings["windows"]) if settings.get("windows") else None
        return ClassifyCodec(labels=tuple(labels), encoder=loaded, temperature=temperature, windows=windows)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleFault(say("{folder}: unreadable codec: {reason}", folder=folder, reason=error)) from error


def softmax(scores: "NDArray[float32]") -> "NDArray[float32]":
    """Return rows that sum to 1. Shape (B, C)."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return shifted / shifted.sum(axis=1, keepdims=True)
