"""`export:` the bundle that ships."""

from smelt.recipe.section import Section


class Export(Section):
    """What the bundle says about itself."""

    license: str = ""
    """License of the model, for its card. Empty leaves the line out."""
    intended_use: str = ""
    """One sentence for the model card: what it is for and what not."""
