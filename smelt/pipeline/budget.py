"""How the recipe's minutes are shared: what scoring will take is set aside first, training has the rest."""

from dataclasses import dataclass

from smelt.data.dataset import Dataset
from smelt.recipe.recipe import Recipe
from smelt.train.rows import Rows

# Shares of the time that is not scoring: the reference may train for so long, and all students together; the rest is export and timing.
_REFERENCE, _STUDENTS = 0.45, 0.4
# Passes over each split, in passes of the fp32 reference: confirm is answered by it and by up to three faster candidates, train by its
# faster precision for the students to learn from, dev by every candidate.
_CONFIRM_PASSES, _TRAIN_PASSES, _DEV_PASSES = 1.6, 0.35, 2.5
_LEAST_TRAINING = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Seconds there are."""

    total: float
    scoring: float
    """Expected, from measured speed."""

    @property
    def training(self) -> float:
        """What is left of the total, but never less than two fifths of it."""
        return max(self.total - self.scoring, self.total * _LEAST_TRAINING)

    @property
    def reference(self) -> float:
        """The reference may train for so long."""
        return self.training * _REFERENCE

    def students(self, spent: float) -> float:
        """Return what all students may train for: their share, and what the reference, which spent so much, left of its own."""
        return self.training * _STUDENTS + max(0.0, self.reference - spent)


def make_budget(recipe: Recipe, dataset: Dataset, rows: Rows, tokens_per_s: float) -> Budget:
    """Share the recipe's minutes.

    Args:
        recipe: its minutes and its students.
        dataset: whose splits are to be scored.
        rows: train, encoded; documents of the other splits are taken to be as long.
        tokens_per_s: that the fp32 reference answers, as measured.
    """
    mean = float(rows.lengths.mean()) if len(rows) else 1.0
    passes = len(dataset.confirm) * _CONFIRM_PASSES + len(dataset.dev) * _DEV_PASSES
    if recipe.compress.students:
        passes += len(dataset.train) * _TRAIN_PASSES
    return Budget(total=recipe.budget_minutes * 60, scoring=passes * mean / tokens_per_s)
