"""Ordinary networks, which hold their own weights, with the initialisation of the hypernetwork paper."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from hnet_bench.nets.products import Linear


def xavier_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """A ReLU MLP from flattened inputs to linear outputs: weights Xavier-uniform, biases 0."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [Linear(fan_in, fan_out), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    xavier_initialise(network)
    return network


def xavier_initialise(network: nn.Module) -> None:
    """Gives the linear layers of a network new weights."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
