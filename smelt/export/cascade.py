"""Put two bundles together into one whose fast graph answers what it is sure of."""

import shutil
from dataclasses import replace
from pathlib import Path

from smelt.export.bundle import versions_of
from smelt.runtime import onnx, openvino, static
from smelt.runtime.cascade import FAST, SLOW, Rule
from smelt.runtime.manifest import Manifest, read_manifest, seal
from smelt.tasks.classify import ClassifyCodec

_GRAPHS = (static.GRAPH, onnx.GRAPH, openvino.GRAPH, str(Path(openvino.GRAPH).with_suffix(".bin")))

_ROUGHNESS = ("fp32", "bf16", "int8")
"""A cascade is called by its less exact part: that one may answer differently on another processor."""


def write_cascade(fast: Path, slow: Path, rule: Rule, codec: ClassifyCodec, facts: Manifest, folder: Path) -> None:
    """Fill an empty folder with both graphs, the rule and the codec that they share, and seal it.

    Args:
        fast: bundle of the graph that is asked first.
        slow: bundle of the graph that answers what the first is not sure of.
        rule: threshold and temperatures.
        codec: with the temperature that is fitted on the cascade's own scores.
        facts: name and text column; the runtime is the slow bundle's, the precision that of the less exact one.
        folder: to fill.
    """
    parts = {FAST: read_manifest(fast), SLOW: read_manifest(slow)}
    for name, source in ((FAST, fast), (SLOW, slow)):
        (folder / name).mkdir()
        for graph in _GRAPHS:
            if graph in parts[name].files:
                shutil.copyfile(source / graph, folder / name / graph)
        seal(folder / name, parts[name])
    rule.save(folder)
    codec.save(folder)
    versions = versions_of(parts[FAST].runtime) | versions_of(parts[SLOW].runtime)
    roughest = max((part.precision for part in parts.values()), key=_ROUGHNESS.index)
    seal(
        folder,
        replace(
            parts[SLOW],
            name=facts.name,
            family="cascade",
            precision=roughest,
            text_column=facts.text_column,
            isa=facts.isa,
            versions=versions,
        ),
    )
