"""What must not be lost beside accuracy (`verify.also`), as dev foretells it."""

import numpy as np
from numpy.typing import NDArray

from smelt.data.dataset import Dataset
from smelt.pipeline.context import Context
from smelt.pipeline.reference import Reference
from smelt.tasks.classify import softmax
from smelt.verify.requirements import Answers, kept_chance


def kept_beside(context: Context, dataset: Dataset, reference: Reference, scores_BC: NDArray[np.float32]) -> float:
    """Return how likely a candidate keeps what must not be lost beside accuracy, from its scores on dev. 1 where nothing is asked."""
    section = context.recipe.verify
    if not section.also or (reference.dev_answers < 0).any():
        return 1.0
    answers = Answers(
        names=reference.model.codec.labels,
        labels_B=reference.dev.labels.astype(np.int32),
        reference_B=reference.dev_answers.astype(np.int32),
        candidate_B=scores_BC.argmax(1).astype(np.int32),
        reference_BC=reference.dev_scores,
        candidate_BC=softmax(scores_BC),
    )
    return kept_chance(answers, section.also, dataset.facts["splits"]["confirm"]["labels"], section.confidence)
