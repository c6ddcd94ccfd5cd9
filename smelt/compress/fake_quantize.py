"""Train a network that will run in int8: its matrix products round as the runtime's will, the gradient passes as if they did not.

Weights are rounded per output row and symmetrically, activations per tensor, as ONNX Runtime's dynamic quantization does. Jacob et al.
2018, arXiv 1712.05877; the straight-through gradient is Bengio et al. 2013, arXiv 1308.3432.
"""

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn

from smelt.models.network import Network
from smelt.train.batch import Batch
from smelt.train.fit import Loss


def quantized_loss(loss: Loss) -> Loss:
    """Return the same loss of the network as it will answer in int8."""

    def rounded(network: Network, batch: Batch) -> Tensor:
        with fake_quantized(network):
            return loss(network, batch)

    return rounded


@contextlib.contextmanager
def fake_quantized(network: nn.Module) -> Iterator[None]:
    """Let every linear layer of the network round its weights and its input to 8 bits while the block lasts."""
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for linear in linears:
        linear.forward = _Rounded(linear)
    try:
        yield
    finally:
        for linear in linears:
            del linear.forward


class _Rounded:
    """The forward pass of one linear layer, in eight bits."""

    def __init__(self, linear: nn.Linear) -> None:
        self.linear = linear

    def __call__(self, input: Tensor) -> Tensor:  # noqa: A002  torch's own name
        return nn.functional.linear(round_activation(input), round_weight(self.linear.weight), self.linear.bias)


def round_weight(weight: Tensor) -> Tensor:
    """Return a matrix as int8 holds it, 127 steps either side of zero in each row."""
    scale = weight.detach().abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
    return _straight_through(weight, (weight / scale).round() * scale)


def round_activation(value: Tensor) -> Tensor:
    """Return a tensor as uint8 holds it: 255 steps from its lowest to its highest value, with zero among them."""
    low, high = value.detach().amin().clamp(max=0), value.detach().amax().clamp(min=0)
    scale = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / scale).round()
    return _straight_through(value, (((value / scale).round() + zero).clamp(0, 255) - zero) * scale)


def _straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    return value + (rounded - value).detach()
