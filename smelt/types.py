"""The words that rooms exchange. Frozen records and one Protocol; no numpy at run time, no torch ever.

Shape letters: B examples of a batch, T tokens of all of them together, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from numpy import float32, int32, int64
    from numpy.typing import NDArray

Cut = Literal["end", "middle"]
"""What a document loses that is too long."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """A batch of encoded examples, ragged: example i owns `ids[offsets[i]:offsets[i + 1]]`. Padding is the session's own matter."""

    ids: "NDArray[int32]"
    """Token or feature numbers of all examples, one after the other. Shape (T,)."""
    offsets: "NDArray[int64]"
    """Shape (B + 1,), from 0 to T, never falling."""

    def __len__(self) -> int:
        """Return B."""
        return len(self.offsets) - 1


class Session(Protocol):
    """Whatever maps arrays to scores: a live module, an OpenVINO or ONNX Runtime graph, a static embedding."""

    @property
    def runtime(self) -> str:
        """`torch`, `openvino`, `onnxruntime` or `numpy`."""
        ...

    @property
    def precision(self) -> str:
        """`fp32`, `bf16` or `int8`."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads it may use."""
        ...

    def scores(self, arrays: Arrays) -> "NDArray[float32]":
        """Return one row of class scores (logits) per example. Shape (B, C); B may be 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One answer on one example, as a line of a predictions file."""

    id: str
    label: str | None
    """The true label, where it is known."""
    prediction: str
    scores: Sequence[float] | None = None
    """Calibrated probabilities in the order of the task's labels."""
    group: str | None = None
    """Whom the example comes from, where examples of one group err together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How fast a session answers, end to end with tokenization. The better of 1 and n threads for each of the two figures."""

    latency_ms_p50: float
    """Milliseconds for one document at batch 1, median."""
    latency_ms_p99: float
    examples_per_s: float
    """Documents per second at `batch`, sorted by length."""
    spread: float
    """(highest - lowest) / median of the rounds' documents per second. Fraction."""
    batch: int
    threads: int
    """Threads of the throughput figure."""
    latency_threads: int
    peak_rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One entry of `frontier.json`. Fields that were not measured are None."""

    name: str
    steps: Sequence[str]
    """What was done to the reference, in order, such as `depth: 3 of 6 layers`, `distill`, `quantize: int8`."""
    runtime: str
    precision: str
    dev_score: float | None = None
    agreement: float | None = None
    """Share of dev examples answered as the reference answers them. Fraction."""
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None
    examples_per_s: float | None = None
    spread: float | None = None
    batch: int | None = None
    threads: int | None = None
    size_bytes: int | None = None
    peak_rss_bytes: int | None = None
    unknown_share: float | None = None
    """Share of dev's tokens that the vocabulary does not hold. Fraction."""
    certified: bool | None = None
    """None: not tested on confirm."""
    chosen: bool = False
    why: str = ""
    """One sentence: why it was chosen, or why it lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One more thing that must not be lost, and whether it is kept. In percentage points, but for `cost`: cost per document."""

    kind: str
    """`recall`, `macro_f1`, `auroc` or `cost`."""
    label: str | None
    """The class, for `recall`."""
    margin: float
    drop: float
    """Reference minus candidate, on confirm; for `cost` candidate minus reference."""
    upper: float
    """One-sided upper bound of the drop at the verdict's confidence."""
    n: int
    """Examples that it rests on."""
    kept: bool
    level: str
    """`certificate` where the error was shown to stay below alpha, else `estimate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be claimed, as `verify/verdict.json` holds it. Scores are fractions, points are percentage points."""

    certified: bool
    margin_points: float
    confidence: float
    n: int
    reference_score: float | None
    candidate_score: float | None
    floor_score: float | None
    drop_points: float | None
    """Reference minus candidate, on confirm."""
    upper_points: float | None
    """One-sided upper bound of the drop at `confidence`."""
    lost: int | None
    """Examples only the reference got right."""
    won: int | None
    agreement: float
    disagreement_upper_points: float
    """Clopper-Pearson one-sided upper bound of the share of changed answers, at `confidence`."""
    p_value: float
    method: str
    candidate: str | None
    sentence: str
    """The verdict for a manager, in the reader's language."""
    data_sha256: str
    isa: str | None
    """CPU flags the certificate is bound to."""
    requirements: Sequence[Requirement] = ()
    """What the recipe wants kept beside accuracy. A certificate needs all of them."""
