"""Assemble a bundle: graph, codec, manifest; and do not call it one before it answers as the live module does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.export.formats import write_graph
from smelt.language import say
from smelt.models.network import Network
from smelt.models.static import StaticNetwork
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Format
from smelt.runtime.build import open_session
from smelt.runtime.isa import isa
from smelt.runtime.manifest import Manifest, Precision, Runtime, read_manifest, seal
from smelt.tasks.classify import ClassifyCodec
from smelt.tasks.padding import take
from smelt.tasks.tokens import TokenEncoder
from smelt.tasks.windows import split_windows
from smelt.types import Arrays, Session

_PACKAGES = {"numpy": ("numpy",), "openvino": ("openvino",), "onnxruntime": ("onnxruntime",)}
# Largest difference of a score between the live module and its export, by precision; int8 is judged by its answers instead.
_TOLERANCE = {"fp32": 2e-3, "bf16": 0.5}
_SAME_ANSWERS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How close the exported graph stayed to the live module, on documents it was not calibrated on."""

    largest_difference: float
    same_answers: float
    """Share of equal predictions. Fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Documents with the live module's scores on them, to hold an export against."""

    arrays: Arrays
    scores: NDArray[np.float32]


def write_bundle(
    network: Network, codec: ClassifyCodec, form: Format, facts: Manifest, *, calibration: Sequence[Arrays], folder: Path
) -> None:  # fmt: skip
    """Fill an empty folder with graph, codec, manifest and seal.

    Args:
        network: to export.
        codec: of its task, with the temperature fitted.
        form: runtime and precision.
        facts: name and text column; runtime, precision and family are set here.
        calibration: for static int8.
        folder: to fill.
    """
    windows = network.windows if isinstance(network, TransformerNetwork) else None
    if windows:
        pieces = [split_windows(arrays, windows)[0] for arrays in calibration]
        calibration = [take(piece, [0]) for piece in pieces if len(piece)]
    write_graph(network, form, calibration, folder)
    codec.save(folder)
    runtime, precision = split_format(form)
    facts = replace(facts, windows=asdict(windows) if windows else None, longest=windows.tokens if windows else _longest(codec))
    family = "static" if isinstance(network, StaticNetwork) else "network"
    seal(folder, replace(facts, family=family, runtime=runtime, precision=precision, isa=isa(), versions=versions_of(runtime)))


def _longest(codec: ClassifyCodec) -> int | None:
    return codec.encoder.max_tokens if isinstance(codec.encoder, TokenEncoder) else None


def check_parity(folder: Path, probe: Probe, threads: int) -> Parity:
    """Open the bundle, run it, compare with the live module.

    Raises:
        SmeltError: it answers differently than its precision explains.
    """
    manifest = read_manifest(folder)
    session: Session = open_session(folder, manifest, threads)
    ours = session.scores(probe.arrays)
    parity = Parity(
        largest_difference=float(np.abs(ours - probe.scores).max(initial=0)),
        same_answers=float((ours.argmax(1) == probe.scores.argmax(1)).mean()) if len(ours) else 1.0,
    )
    scale = max(1.0, float(np.abs(probe.scores).max(initial=0)))
    allowed = _TOLERANCE.get(manifest.precision, np.inf) * scale
    if not np.isfinite(ours).all() or parity.largest_difference > allowed or parity.same_answers < _SAME_ANSWERS:
        raise SmeltError(
            say(
                "{name}: the export differs from the model by {difference:.3g} ({same:.0%} equal answers)",
                name=manifest.name,
                difference=parity.largest_difference,
                same=parity.same_answers,
            )
        )
    return parity


def split_format(form: Format) -> tuple[Runtime, Precision]:
    """Return runtime and precision of a format's name."""
    runtime, precision = form.split("-")
    return runtime, precision  # pyright: ignore[reportReturnType]  the closed set of names is their product


def versions_of(runtime: Runtime) -> dict[str, str]:
    """Return the versions of the packages that a bundle of this runtime depends on."""
    return {package: version(package) for package in ("smelt", "tokenizers", *_PACKAGES[runtime])}
