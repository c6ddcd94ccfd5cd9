"""`task:` what an answer is."""

from typing import Literal

from smelt.recipe.section import Section


class ClassifyTask(Section):
    """Choose one label for a text."""

    kind: Literal["classify"]


TaskSection = ClassifyTask
