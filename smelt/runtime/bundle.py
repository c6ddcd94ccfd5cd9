"""Open a bundle and ask it. This is all that a program needs: `smelt.load(folder).predict(["…"])`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from smelt.data.batch import token_batches
from smelt.errors import BundleFault, UsageFault
from smelt.language import say
from smelt.runtime.build import open_session
from smelt.runtime.isa import cores, isa
from smelt.runtime.manifest import Manifest, read_manifest
from smelt.tasks.classify import Answers, ClassifyCodec, load_codec
from smelt.tasks.padding import take
from smelt.types import Arrays, Session

_LOG = logging.getLogger("smelt")
_BATCH_TOKENS = 4096
_BATCH_EXAMPLES = 32


@final
@dataclass(frozen=True, slots=True)
class Bundle:
    """A session, its codec, and what the manifest says of them."""

    session: Session
    codec: ClassifyCodec
    manifest: Manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that can be answered."""
        return self.codec.labels

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return one label per text, in order.

        Raises:
            UsageFault: a single string was given instead of a list of them.
        """
        return self.answers(texts).predictions

    def answers(self, texts: Sequence[str]) -> Answers:
        """Return labels, confidences and probabilities."""
        if isinstance(texts, str):
            raise UsageFault(say("predict wants a list of texts, got one string"), step=say('Write: predict(["…"])'))
        return self.codec.decode(score_texts(self.session, self.codec, texts))


def score_texts(session: Session, codec: ClassifyCodec, texts: Sequence[str], *, batch: int = _BATCH_EXAMPLES) -> NDArray[np.float32]:
    """Return class scores in the order of the texts, shape (B, C); batches are formed of texts of similar length."""
    return score_arrays(session, codec.encode(texts), len(codec.labels), batch=batch)


def score_arrays(session: Session, arrays: Arrays, classes: int, *, batch: int = _BATCH_EXAMPLES) -> NDArray[np.float32]:
    """Return class scores of encoded texts in their order, shape (B, C)."""
    lengths = np.diff(arrays.offsets)
    scores = np.empty((len(arrays), classes), np.float32)
    for rows in token_batches(lengths, batch_tokens=max(_BATCH_TOKENS, batch), batch_examples=batch, seed=None):
        scores[rows] = session.scores(take(arrays, rows))
    return scores


def open_bundle(folder: str | Path, *, threads: int | None = None) -> Bundle:
    """Check a bundle folder by its hashes and open it.

    Args:
        folder: such as `runs/<name>/export/bundle`.
        threads: CPU threads; None takes all cores.

    Raises:
        BundleFault: it is damaged, changed or unsafe.
        EnvironmentFault: its runtime is not installed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    codec = load_codec(folder)
    if manifest.certified and manifest.precision != "fp32" and manifest.isa != isa():
        _LOG.warning(
            say(
                "certified on a CPU with [{there}]; this one has [{here}] and may answer differently. Re-check with a labeled file: "
                "smelt predict the reference and this bundle, then smelt verify",
                there=manifest.isa,
                here=isa(),
            )
        )
    session = open_session(folder, manifest, threads or cores())
    _check_classes(folder, session, codec)
    return Bundle(session, codec, manifest)


def _check_classes(folder: Path, session: Session, codec: ClassifyCodec) -> None:
    """Let the graph answer one text: it has to give one finite score per label."""
    try:
        scores = session.scores(codec.encode(["a"]))
    except (RuntimeError, ValueError, IndexError) as error:
        raise BundleFault(say("{folder}: the graph does not run: {reason}", folder=folder, reason=str(error)[:200])) from error
    if scores.shape != (1, len(codec.labels)) or not np.isfinite(scores).all():
        raise BundleFault(
            say("{folder}: the graph gives {shape} scores for {n} labels", folder=folder, shape=scores.shape[-1], n=len(codec.labels))
        )
