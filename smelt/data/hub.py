"""Rows of a Hugging Face data set, streamed. Code of the data set is never run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from smelt.data.rows import Part, Record, Reject, Row, Source, check_row, excerpt, missing_column, named_columns
from smelt.data.splits import named_splits
from smelt.errors import DataFault, EnvironmentFault
from smelt.language import say
from smelt.recipe.data import HubData


class HubSplit(Protocol):
    """The part of `datasets.IterableDataset` that we use."""

    @property
    def features(self) -> Mapping[str, Any] | None:
        """Types by column; None where the hub does not say."""
        ...

    def select_columns(self, column_names: list[str]) -> "HubSplit":
        """Return the same rows with these columns only."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read the rows from the start."""
        ...


Load = Callable[[HubData], Mapping[str, HubSplit]]


def load_hub(section: HubData) -> Mapping[str, HubSplit]:
    """Ask the hub for all splits of a data set, to be streamed.

    Raises:
        EnvironmentFault: `datasets` is missing, or the hub does not answer.
        DataFault: the data set, configuration or revision does not exist.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise EnvironmentFault(
            say("data.kind: hub needs the package `datasets`, which is not installed"), step=say('pip install "smelt[hub]"')
        ) from error
    try:
        return load_dataset(section.path, section.config or None, revision=section.revision, streaming=True)  # pyright: ignore[reportReturnType]  # a dict of streams, as no split is named
    except ValueError as error:
        raise DataFault(_message(section, error)) from error
    except (OSError, RuntimeError) as error:
        raise EnvironmentFault(
            _message(section, error),
            step=say("Check the name, the network and, for a private data set, `hf auth login`. HF_ENDPOINT names a mirror."),
        ) from error


def open_hub(section: HubData, load: Load = load_hub) -> Source:
    """Take the splits that the section names.

    Args:
        section: the recipe's `data:`.
        load: how the splits are fetched.

    Raises:
        DataFault: a split or a column does not exist.
        EnvironmentFault: see `load_hub`.
    """
    names = named_splits(section.splits)
    splits = load(section)
    for name in names.values():
        if name not in splits:
            raise DataFault(
                say("{path}: no split '{name}'. Splits: {found}.", path=section.path, name=name, found=", ".join(splits)),
                step=say("Name one of them under data.splits, or give a share of train."),
            )
    return Source({role: _part(section, name, splits[name]) for role, name in names.items()}, section.max_bad_share)


def _part(section: HubData, name: str, split: HubSplit) -> Part:
    place = f"{section.path}/{name}"
    features = split.features if split.features is not None else next(iter(split), {})
    for key, column in named_columns(section).items():
        if column not in features:
            raise missing_column(place, column, list(features), say("Name the column in data.{key}.", key=key))
    classes = getattr(features[section.label], "names", None) if section.label else None
    return Part(place, partial(_rows, section, name, split, classes))


def _rows(section: HubData, name: str, split: HubSplit, classes: Sequence[str] | None) -> Iterator[Row | Reject]:
    try:
        columns = list(named_columns(section).values())
        for number, values in enumerate(split.select_columns(columns), 1):
            label = values.get(section.label)
            if classes is not None and isinstance(label, int):
                # The hub marks rows without an answer by -1.
                values = {**values, section.label: classes[label] if 0 <= label < len(classes) else None}
            yield check_row(
                f"{section.path}/{name}",
                f"{name}-{number}",
                Record(number, [values[column] for column in columns]),
                labelled=bool(section.label),
            )
    except (OSError, RuntimeError) as error:
        raise EnvironmentFault(_message(section, error), step=say("Is the network there? Run the same command again.")) from error


def _message(section: HubData, error: Exception) -> str:
    return say("{path} at {revision}: {reason}", path=section.path, revision=section.revision, reason=excerpt(error))
