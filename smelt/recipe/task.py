"""`task:` what an answer is."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smelt.language import say
from smelt.recipe.section import Count, Section

Packing = Literal["best_fit", "none"]


class WindowsSection(Section):
    """Read documents longer than `model.max_tokens` by windows of so many tokens that overlap, and pool their scores."""

    most: Annotated[int, Field(ge=2, le=1000)] = 4
    """Windows of a document that are read at most; what lies behind them is cut off."""
    stride: Count | Literal["auto"] = "auto"
    """Tokens from the start of one window to the start of the next. `auto` takes three quarters of a window."""
    pool: Literal["mean", "max"] = "mean"
    """How the windows' scores become the document's."""


class ClassifyTask(Section):
    """Choose one label for a text."""

    kind: Literal["classify"]
    windows: WindowsSection | Literal["none"] = "none"
    """For transformers; other models read a document of any length at once."""


class MaskedLanguageTask(Section):
    """Guess covered tokens from what stands around them: how an encoder is pretrained, on text alone. Devlin et al. 2019."""

    kind: Literal["masked_language"]
    cover: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the words that have to be guessed."""
    whole_words: bool = True
    """Cover all tokens of a word, or each token for itself. Chinese characters are words."""
    masked: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of the covered tokens in whose place the mask token stands."""
    replaced: Annotated[float, Field(ge=0, le=1, validate_default=True)] = 0.1
    """Share of them in whose place a random token stands; the rest stay as they are, and have to be guessed all the same."""
    packing: Packing = "best_fit"
    """Put several documents into one row, so that little of a batch is padding; they do not see each other. `none`: one per row."""

    @field_validator("replaced")
    @classmethod
    def _leaves_a_share(cls, replaced: float, info: ValidationInfo) -> float:
        masked = info.data.get("masked", 0.0)
        if masked + replaced > 1:
            raise ValueError(say("got {replaced}, want at most what masked leaves, {rest:g}", replaced=replaced, rest=1 - masked))
        return replaced


class CausalLanguageTask(Section):
    """Guess every token from those before it: how a decoder is pretrained, on text alone."""

    kind: Literal["causal_language"]
    packing: Packing = "best_fit"
    """Put several documents into one row, so that little of a batch is padding; they do not see each other. `none`: one per row."""


LanguageTask = MaskedLanguageTask | CausalLanguageTask
TaskSection = Annotated[ClassifyTask | MaskedLanguageTask | CausalLanguageTask, Field(discriminator="kind")]


def windows_of(task: TaskSection) -> WindowsSection | Literal["none"]:
    """Return how a task reads long documents."""
    return task.windows if isinstance(task, ClassifyTask) else "none"
