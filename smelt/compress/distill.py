"""Distillation: the student answers as the reference does. Hinton, Vinyals and Dean 2015, arXiv 1503.02531.

Shape letters: B batch, C classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smelt.compress.transfer import TransferSet
from smelt.models.network import Network
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Distill
from smelt.train.fit import Loss
from smelt.train.loader import Batch


def distill_loss(transfer: TransferSet, section: Distill, reference: Network) -> Loss:
    """Return the loss against the reference's scores and the labels, and for a shallower transformer against its states too.

    Args:
        transfer: rows with the reference's scores. A row without a true label counts in the soft part alone.
        section: temperature and weights. The soft part is scaled by the temperature squared, as in section 2 of the paper.
        reference: asked for its states where `hidden_weight` is above 0 and the student has states of the same width.
    """
    teacher = torch.from_numpy(transfer.scores)
    if isinstance(reference, TransformerNetwork):
        reference.eval()

    def loss(network: Network, batch: Batch) -> Tensor:
        states: Tensor | float = 0.0
        if section.hidden_weight and isinstance(network, TransformerNetwork) and isinstance(reference, TransformerNetwork):
            reference.to(batch.ids_BS.device)
            scores_BC, own = network.with_states(batch.ids_BS, batch.mask_BS)
            with torch.no_grad():
                _, theirs = reference.with_states(batch.ids_BS, batch.mask_BS)
            states = states_distance(own, theirs, batch.mask_BS)
        else:
            scores_BC = network(batch.ids_BS, batch.mask_BS)
        scores_BC = scores_BC.float()
        soft = soft_cross_entropy(scores_BC, teacher[batch.rows].to(scores_BC.device), section.temperature)
        labeled_B = torch.from_numpy(batch.rows < transfer.labeled).to(scores_BC.device)
        hard_B = torch.nn.functional.cross_entropy(scores_BC, batch.labels_B, reduction="none")
        hard = (hard_B * labeled_B).sum() / labeled_B.sum().clamp(min=1)
        return section.weight * soft + (1 - section.weight) * hard + section.hidden_weight * states

    return loss


def imitation_loss(answers: NDArray[np.int64], weight: float, label_smoothing: float = 0.0) -> Loss:
    """Return the loss against answers that someone gave, and against the labels.

    Args:
        answers: class numbers of the training rows, shape (n,); -1 where there is no answer, or one that is no label of the task.
        weight: of the answers; the labels have the rest, and all of it where there is no answer.
        label_smoothing: of both. Fraction.
    """
    given = torch.from_numpy(answers)

    def loss(network: Network, batch: Batch) -> Tensor:
        scores_BC = network(batch.ids_BS, batch.mask_BS).float()
        answers_B = given[batch.rows].to(scores_BC.device)
        known_B = answers_B >= 0
        hard_B = torch.nn.functional.cross_entropy(scores_BC, batch.labels_B, reduction="none", label_smoothing=label_smoothing)
        taught_B = torch.where(known_B, answers_B, batch.labels_B)
        soft_B = torch.nn.functional.cross_entropy(scores_BC, taught_B, reduction="none", label_smoothing=label_smoothing)
        return (weight * soft_B + (1 - weight) * hard_B).mean()

    return loss


def states_distance(own: Sequence[Tensor], theirs: Sequence[Tensor], mask_BS: Tensor) -> Tensor:
    """Return the mean squared distance of normalized states of matched layers, over tokens. PKD, Sun et al. 2019, equation 7.

    Args:
        own: the student's states after each layer, each (B, S, D).
        theirs: the reference's, more of them; spread evenly they are matched to the student's, last to last.
        mask_BS: 1 for tokens.
    """
    places = [round(place * (len(theirs) - 1) / (len(own) - 1)) for place in range(1, len(own))]
    kept = mask_BS.bool()
    distances = [
        (nn.functional.normalize(mine[kept].float(), dim=-1) - nn.functional.normalize(theirs[place][kept].float(), dim=-1))
        .square()
        .sum(-1)
        .mean()
        for mine, place in zip(own[1:], places, strict=True)
    ]
    return torch.stack(distances).mean()


def soft_cross_entropy(scores_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened distributions, times the temperature squared, averaged over the batch."""
    student = torch.log_softmax(scores_BC / temperature, dim=1)
    teacher = torch.log_softmax(teacher_BC / temperature, dim=1)
    return torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
