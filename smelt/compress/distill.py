"""Distillation: the student answers as the reference does. Hinton, Vinyals and Dean 2015, arXiv 1503.02531.

Shape letters: B batch, C classes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.models.network import Network
from smelt.recipe.compress import Distill
from smelt.train.fit import Loss
from smelt.train.loader import Batch


def distill_loss(teacher_scores: NDArray[np.float32], section: Distill) -> Loss:
    """Return the loss against the reference's scores and the labels.

    Args:
        teacher_scores: the reference's scores on the training rows, shape (n, C), in the order of the rows.
        section: temperature and weight. The soft part is scaled by the temperature squared, as in section 2 of the paper.
    """
    teacher = torch.from_numpy(teacher_scores)

    def loss(network: Network, batch: Batch) -> Tensor:
        scores_BC = network(batch.ids_BS, batch.mask_BS).float()
        soft = soft_cross_entropy(scores_BC, teacher[batch.rows], section.temperature)
        hard = torch.nn.functional.cross_entropy(scores_BC, batch.labels_B)
        return section.weight * soft + (1 - section.weight) * hard

    return loss


def soft_cross_entropy(scores_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened distributions, times the temperature squared, averaged over the batch."""
    student = torch.log_softmax(scores_BC / temperature, dim=1)
    teacher = torch.log_softmax(teacher_BC / temperature, dim=1)
    return torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
