"""Distillation: the student answers as the reference does. Hinton, Vinyals and Dean 2015, arXiv 1503.02531.

Shape letters: B batch, S sequence, C classes, D width.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smelt.compress.transfer import TransferSet
from smelt.models.network import Network
from smelt.models.transformer import TransformerNetwork
from smelt.recipe.compress import Distill
from smelt.train.batch import Batch
from smelt.train.fit import Loss


def distill_loss(transfer: TransferSet, section: Distill, reference: Network) -> Loss:
    """Return the loss against the reference's scores and the labels; for a transformer against its states and attention too, if asked.

    Args:
        transfer: rows with the reference's scores. A row without a true label counts in the soft part alone, one that the reference did
            not answer in the hard part alone.
        section: temperature and weights. The soft part is scaled by the temperature squared, as in section 2 of the paper.
        reference: asked for its states and attention where their weights are above 0 and the student has some, and for its answers to
            mixtures.
    """
    teacher = torch.from_numpy(transfer.scores)
    reference.eval()

    def loss(network: Network, batch: Batch) -> Tensor:
        if section.mixup and float(torch.rand(())) < section.mixup:
            return _mixed_loss(network, reference, batch, section.temperature)
        scores_BC, inner = _scores(network, reference, batch, section)
        scores_BC = scores_BC.float()
        theirs_BC = teacher[batch.rows].to(scores_BC.device)
        known_B = torch.isfinite(theirs_BC[:, 0])
        soft = soft_cross_entropy(scores_BC[known_B], theirs_BC[known_B], section.temperature) if known_B.any() else 0.0
        labeled_B = torch.from_numpy(batch.rows < transfer.labeled).to(scores_BC.device)
        hard_B = torch.nn.functional.cross_entropy(scores_BC, batch.targets, reduction="none")
        hard = (hard_B * labeled_B).sum() / labeled_B.sum().clamp(min=1)
        weight = section.weight * float(known_B.float().mean())
        return weight * soft + (1 - weight) * hard + inner

    return loss


def _scores(network: Network, reference: Network, batch: Batch, section: Distill) -> tuple[Tensor, Tensor | float]:
    """Return the student's scores, and how far its states and attention are from the reference's, each by its weight."""
    looks_inside = bool(section.hidden_weight or section.attention_weight)
    if not (looks_inside and isinstance(network, TransformerNetwork) and isinstance(reference, TransformerNetwork)):
        return network(batch.ids_BS, batch.mask_BS), 0.0
    attention = section.attention_weight > 0
    reference.to(batch.ids_BS.device)
    own = network.with_states(batch.ids_BS, batch.mask_BS, attention=attention)
    with torch.no_grad():
        theirs = reference.with_states(batch.ids_BS, batch.mask_BS, attention=attention)
    inner: Tensor | float = 0.0
    if section.hidden_weight and own.states[0].shape[-1] == theirs.states[0].shape[-1]:
        inner = inner + section.hidden_weight * states_distance(own.states, theirs.states, own.mask_BS)
    if attention:
        inner = inner + section.attention_weight * attention_distance(own.attention, theirs.attention, own.mask_BS)
    return own.scores_BC, inner


def _mixed_loss(network: Network, reference: Network, batch: Batch, temperature: float) -> Tensor:
    """Mix each document's embeddings with another's and learn what the reference answers. Zhang et al. 2018; for text Guo et al. 2019."""
    order = torch.randperm(len(batch.targets), device=batch.ids_BS.device)
    share = float(torch.distributions.Beta(0.5, 0.5).sample())
    mask_BS = torch.maximum(batch.mask_BS, batch.mask_BS[order])
    reference.to(batch.ids_BS.device)
    with mixed(reference, order, share), torch.no_grad():
        theirs_BC = reference(batch.ids_BS, mask_BS).float()
    with mixed(network, order, share):
        return soft_cross_entropy(network(batch.ids_BS, mask_BS).float(), theirs_BC, temperature)


@contextlib.contextmanager
def mixed(network: Network, order: Tensor, share: float) -> Iterator[None]:
    """Let the network's token embeddings give `share` of each document's own and the rest of the document that `order` puts beside it."""
    hook = getattr(network, "embedding").register_forward_hook(lambda _m, _i, output: share * output + (1 - share) * output[order])  # noqa: B009
    try:
        yield
    finally:
        hook.remove()


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
        hard_B = torch.nn.functional.cross_entropy(scores_BC, batch.targets, reduction="none", label_smoothing=label_smoothing)
        taught_B = torch.where(known_B, answers_B, batch.targets)
        soft_B = torch.nn.functional.cross_entropy(scores_BC, taught_B, reduction="none", label_smoothing=label_smoothing)
        return (weight * soft_B + (1 - weight) * hard_B).mean()

    return loss


def states_distance(own: Sequence[Tensor], theirs: Sequence[Tensor], mask_BS: Tensor) -> Tensor:
    """Return the mean squared distance of normalized states of matched layers, over tokens. PKD, Sun et al. 2019, equation 7.

    Args:
        own: the student's states after each layer, each (B, S, D).
        theirs: the reference's, at least as many; spread evenly they are matched to the student's, last to last.
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


def attention_distance(own: Sequence[Tensor], theirs: Sequence[Tensor], mask_BS: Tensor) -> Tensor:
    """Return the divergence of what tokens attend to, averaged over heads, in matched layers. After MiniLM, Wang et al. 2020, section 3.1.

    Args:
        own: the student's attention in each layer, each (B, heads, S, S).
        theirs: the reference's, at least as many layers; matched as states are. It may have more heads.
        mask_BS: 1 for tokens.
    """
    kept = mask_BS.bool()
    ends = [round((place + 1) * len(theirs) / len(own)) - 1 for place in range(len(own))]
    pairs = [(mine.float().mean(1)[kept], theirs[end].float().mean(1)[kept]) for mine, end in zip(own, ends, strict=True)]
    tiny = 1e-9
    return torch.stack([(goal * ((goal + tiny).log() - (mine + tiny).log())).sum(-1).mean() for mine, goal in pairs]).mean()


def soft_cross_entropy(scores_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened distributions, times the temperature squared, averaged over the batch."""
    student = torch.log_softmax(scores_BC / temperature, dim=1)
    teacher = torch.log_softmax(teacher_BC / temperature, dim=1)
    return torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
