"""What can be known of a language run before anything is trained: the data, how many tokens it is, how long it takes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.data.build import prepare
from smelt.data.dataset import Dataset, open_dataset
from smelt.language import say
from smelt.models.build_language import build_language
from smelt.parallel.place import check_spread
from smelt.recipe.data import without_labels
from smelt.recipe.model import PretrainedTransformer, ScratchTransformer
from smelt.recipe.recipe import Recipe
from smelt.recipe.task import LanguageTask
from smelt.recipe.train import Train
from smelt.run.disk import Disk
from smelt.train.documents import encode_documents
from smelt.train.language import guessing_loss, open_rows
from smelt.train.pace import measure_pace

_SAMPLE = 1000
"""Documents that are encoded to learn how long they are, and that speed is measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePreview:
    """What a check of a language task found."""

    rows: dict[str, int]
    """Documents per split."""
    bad_rows: int
    warnings: Sequence[str]
    tokens: int
    """Of train, about: as many per document as a sample has."""
    tokens_per_s: float
    """Trained, by one process here."""
    precision: str
    epoch_minutes: float
    """Of one pass over train, by one process here."""

    def told(self) -> list[str]:
        """Say it in a few lines."""
        return [
            say("train {train:,}, dev {dev:,}, confirm {confirm:,} documents", **self.rows),
            say(
                "about {tokens:,} tokens of train; {rate:,.0f} tokens/s in {precision} by one process, {minutes:.1f} minutes per epoch",
                tokens=self.tokens, rate=self.tokens_per_s, precision=self.precision, minutes=self.epoch_minutes,
            ),
        ]  # fmt: skip


def preview_language(recipe: Recipe, task: LanguageTask) -> LanguagePreview:
    """Prepare the data in a folder that goes away, and look at it.

    Args:
        recipe: with its paths resolved.
        task: the recipe's.

    Raises:
        SmeltError: a fault of the data, or of the model's folder.
    """
    with tempfile.TemporaryDirectory(prefix="smelt-check-") as folder:
        place = Path(folder)
        prepare(without_labels(recipe.data), place / "data", place / "work", Disk())
        dataset = open_dataset(place / "data")
        section, model = recipe.train or Train(), recipe.model
        assert isinstance(model, PretrainedTransformer | ScratchTransformer)
        built = build_language(model, task, _sample(dataset), section.seed)
        check_spread(built.network, recipe.parallel)
        texts = _sample(dataset)
        encode_documents(lambda rows: texts[rows], len(texts), built.codec.encode, place / "sample.tokens")
        rows = open_rows(place / "sample.tokens", task.packing, built.codec.max_tokens, built.cover)
        pace = measure_pace(built.network, rows, section, guessing_loss)
        tokens = int(rows.lengths.sum() * len(dataset.train) / len(texts))
        rate = min(section.batch_tokens, int(rows.lengths.sum())) / pace.seconds_per_step
        return LanguagePreview(
            rows={name: split["rows"] for name, split in dataset.facts["splits"].items()},
            bad_rows=dataset.facts["bad_rows"],
            warnings=dataset.facts["warnings"],
            tokens=tokens,
            tokens_per_s=rate,
            precision=pace.precision,
            epoch_minutes=tokens / rate / 60,
        )


def _sample(dataset: Dataset) -> list[str]:
    step = max(1, len(dataset.train) // _SAMPLE)
    return dataset.train.texts(slice(0, len(dataset.train), step))[:_SAMPLE]
