"""Let a fine-tuned model answer a file of texts: its answers stand in for labels where there are none."""

from pathlib import Path

from smelt.models.build import build_model
from smelt.models.folder import own_length
from smelt.models.session import LiveSession
from smelt.recipe.model import PretrainedTransformer
from smelt.runtime.bundle import Bundle
from smelt.runtime.isa import cores, isa
from smelt.runtime.manifest import Manifest
from smelt.runtime.predict import Answered, predict_file

_MAX_TOKENS = 256
"""Where a model does not say how many it reads."""


def answer_file(model: Path, source: Path, target: Path, column: str | None) -> Answered:
    """Write the source's rows with the model's `prediction` and `confidence`.

    Args:
        model: folder of a fine-tuned classifier.
        source: csv, tsv, jsonl or parquet.
        target: csv, jsonl or parquet; it appears whole or not at all.
        column: of the documents; None takes `text`.

    Raises:
        BundleFault: the model folder is unsafe or damaged.
        DataFault: the column is missing, or a row cannot be read.
    """
    section = PretrainedTransformer(weights=str(model), max_tokens=own_length(model) or _MAX_TOKENS)
    built = build_model(section, [], [], seed=0, fine_tuned=True)
    session = LiveSession(built.network, threads=cores())
    facts = Manifest(name="reference", family="network", runtime="onnxruntime", precision="fp32", text_column="text", isa=isa())
    return predict_file(Bundle(session, built.codec, facts), source, target, column=column)
