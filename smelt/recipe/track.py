"""`track:` where the curves go, besides the run folder."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Section


class NoTracking(Section):
    """The JSONL log in the run folder only."""

    kind: Literal["none"] = "none"


class TensorBoard(Section):
    """TensorBoard event files beside the log (extra `track`)."""

    kind: Literal["tensorboard"] = "tensorboard"


TrackSection = Annotated[NoTracking | TensorBoard, Field(discriminator="kind")]
