"""What each token adds to a class score, by the gradients on the way from a text of nothing but padding to the text.

Shape letters: S sequence, D width, K steps.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smelt.models.network import Network

STEPS = 50


def padding_of(network: Network) -> int:
    """Return the token that fills texts up."""
    table = network.embedding
    assert isinstance(table, nn.Embedding)
    return table.padding_idx or 0


def integrated_gradients(network: Network, ids_S: Tensor, baseline_S: Tensor, label: int, *, steps: int = STEPS) -> NDArray[np.float64]:
    """Return what each token adds to a class score; the sum is the score of the text minus that of the baseline, nearly.

    Args:
        network: any with an `embedding`.
        ids_S: the tokens.
        baseline_S: as many tokens that mean nothing: frame tokens stay, the others are padding.
        label: number of the class.
        steps: of the quadrature on the way.

    Returns:
        One number per token. Shape (S,).

    Source: Sundararajan, Taly and Yan 2017, arXiv 1703.01365; the integral by Gauss-Legendre quadrature, as captum does it.
    """
    network.eval()
    table = network.embedding
    assert isinstance(table, nn.Embedding)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    with torch.no_grad():
        start_SD, end_SD = table(baseline_S), table(ids_S)
    places_K = torch.tensor((nodes + 1) / 2, dtype=start_SD.dtype)
    path_KSD = (start_SD + places_K[:, None, None] * (end_SD - start_SD)).requires_grad_()
    hook = table.register_forward_hook(lambda *_: path_KSD)
    try:
        ids_KS = ids_S.expand(steps, -1)
        scores_K = network(ids_KS, torch.ones_like(ids_KS))[:, label]
        (gradients_KSD,) = torch.autograd.grad(scores_K.sum(), path_KSD)
    finally:
        hook.remove()
    weights_K = torch.tensor(weights / 2, dtype=start_SD.dtype)
    mean_SD = torch.einsum("k,ksd->sd", weights_K, gradients_KSD)
    return ((end_SD - start_SD) * mean_SD).sum(1).double().numpy()
