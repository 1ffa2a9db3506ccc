"""Perceptrons that hold their own weights, and how ordinary networks begin: the protocol's way, and that of the
hypernetwork paper."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from hnet_bench.interfaces import Setup
from hnet_bench.nets.products import Linear

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class Mlp(nn.Module):
    """A multi-layer perceptron with the protocol's activation; inputs are flattened."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = setup.facts.inputs
        for units in setup.protocol.hidden_units:
            layers += [Linear(width, units), ACTIVATIONS[setup.protocol.activation]()]
            width = units
        self.hidden = nn.Sequential(*layers)
        self.output = Linear(width, setup.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, setup.outputs)."""
        outputs: Tensor = self.output(self.hidden(x))
        return outputs


def xavier_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """A ReLU MLP from flattened inputs to linear outputs: weights Xavier-uniform, biases 0."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [Linear(fan_in, fan_out), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    xavier_initialise(network)
    return network


def xavier_initialise(network: nn.Module) -> None:
    """Gives the linear and convolutional layers of a network new weights."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
