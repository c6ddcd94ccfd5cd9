"""`task:` what an answer is."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Count, Section


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


TaskSection = ClassifyTask
