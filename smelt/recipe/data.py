"""`data:` where the rows come from and how they are split."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.section import Count, Section, Share


class Splits(Section):
    """Which rows teach (train), choose (dev) and certify (confirm). A name takes a split that exists; a share carves one from train."""

    train: Annotated[str, Field(min_length=1)] = "train"
    """Name of the training split: a file's name in the folder, without its ending, or a split's name on the hub. One file is all train."""
    dev: Annotated[Share | Annotated[str, Field(min_length=1)], Field(validate_default=True)] = 0.1
    """Name of the split that chooses between models, or the share of train to carve for it. Stratified by label."""
    confirm: Annotated[Share | Annotated[str, Field(min_length=1)], Field(validate_default=True)] = 0.2
    """Name of the split that certifies, or the share of train to carve for it. Nothing is trained or chosen on it."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the carving and of the sampling below."""
    train_rows: Count | Literal["all"] = "all"
    """At most this many training rows, sampled and stratified, after carving."""
    dev_rows: Count | Literal["all"] = "all"
    """At most this many dev rows, sampled and stratified."""
    confirm_rows: Count | Literal["all"] = "all"
    """At most this many confirm rows, sampled and stratified."""

    @field_validator("dev", "confirm")
    @classmethod
    def _differs_from_the_splits_before(cls, split: float | str, info: ValidationInfo) -> float | str:
        for other in ("train", "dev"):
            if isinstance(split, str) and info.data.get(other) == split:
                raise ValueError(
                    say("got '{split}', which is {other} already. Rows that teach or choose cannot certify", split=split, other=other)
                )
        return split

    @field_validator("confirm")
    @classmethod
    def _shares_leave_rows_to_train_on(cls, confirm: float | str, info: ValidationInfo) -> float | str:
        dev = info.data.get("dev")
        if isinstance(dev, float) and isinstance(confirm, float) and dev + confirm >= 1:
            raise ValueError(say("got {confirm}, want less than what dev leaves, {rest:g}", confirm=confirm, rest=1 - dev))
        return confirm


class FilesData(Section):
    """Rows from csv, tsv, jsonl or parquet: one file, or a folder with one file per split."""

    kind: Literal["files"] = "files"
    path: Annotated[str, Field(min_length=1, examples=["reviews.csv"])]
    """A file, or a folder of split files (`train.csv`, `dev.csv`, `test.csv`). Relative to the recipe."""
    text: Annotated[str, Field(min_length=1)] = "text"
    """Column that holds the document."""
    label: Annotated[str, Field(min_length=1)] = "label"
    """Column that holds the answer."""
    group: str = ""
    """Column that says whom a row comes from, such as a customer. Rows of one group stay in one split, and the certificate lets them err
    together. Empty for none."""
    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"
    """Character encoding of csv, tsv and jsonl. `auto` takes a byte-order mark, else UTF-8 where it is valid, else GB18030."""
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of unreadable rows above which the run stops. Fraction. Bad rows are counted, shown and kept in a reject file."""
    splits: Splits = Splits()


class HubData(Section):
    """Rows of a Hugging Face data set, fetched by the `datasets` package (extra `hub`)."""

    kind: Literal["hub"] = "hub"
    path: Annotated[str, Field(min_length=1, examples=["stanfordnlp/imdb"])]
    """Name of the data set, such as `stanfordnlp/imdb`."""
    config: str = ""
    """Name of the data set's configuration. Empty for the only one."""
    revision: str = "main"
    """Branch, tag or commit."""
    text: Annotated[str, Field(min_length=1)] = "text"
    """Column that holds the document."""
    label: Annotated[str, Field(min_length=1)] = "label"
    """Column that holds the answer."""
    group: str = ""
    """Column that says whom a row comes from, such as a customer. Rows of one group stay in one split, and the certificate lets them err
    together. Empty for none."""
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of unreadable rows above which the run stops. Fraction."""
    splits: Splits = Splits()


class DocstringsData(Section):
    """Paragraphs of the docstrings of installed packages; the label is the package. Real text on every machine, nothing to fetch."""

    kind: Literal["docstrings"] = "docstrings"
    packages: Annotated[tuple[str, ...], Field(min_length=2, strict=False)] = (
        "networkx", "scipy", "sklearn", "stdlib", "sympy", "torch", "transformers",
    )  # fmt: skip
    """Import names of installed packages; `stdlib` is Python's standard library. They are read as text, never imported."""
    min_characters: Count = 120
    """Shortest paragraph."""
    max_characters: Annotated[Count, Field(validate_default=True)] = 600
    """Longest paragraph."""
    splits: Splits = Splits()

    @field_validator("max_characters")
    @classmethod
    def _not_below_the_shortest(cls, longest: int, info: ValidationInfo) -> int:
        shortest = info.data.get("min_characters", 1)
        if longest < shortest:
            raise ValueError(say("got {longest}, want at least min_characters, {shortest}", longest=longest, shortest=shortest))
        return longest


DataSection = Annotated[FilesData | HubData | DocstringsData, Field(discriminator="kind")]


def without_labels(section: DataSection) -> DataSection:
    """Return the section of rows whose labels are not read; a docstring's package is known without reading."""
    return section if isinstance(section, DocstringsData) else section.model_copy(update={"label": ""})
