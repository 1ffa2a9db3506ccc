"""Ordinary networks, which hold their own weights: the protocol's, and perceptrons as in the hypernetwork paper."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.nets.networks import of_images, resnet32, zenke
from hnet_bench.nets.products import Linear
from hnet_bench.nets.resnet import MOMENTUM, BatchStatistics
from hnet_bench.nets.zenke import PADDINGS, through

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


class Normalisation(nn.Module):
    """Batch normalisation by statistics that it is given: in training by those of the batch, which these follow."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(filters))  # gain
        self.bias = nn.Parameter(torch.zeros(filters))  # shift

    def forward(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Values (batch, filters, height, width), with running statistics (filters,)."""
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, self.training, MOMENTUM)


class _ResNet32(nn.Module):
    """In TASK every task has running statistics of its own, as under a hypernetwork (von Oswald et al. 2020, Figure 5);
    where the task is not known there is one set for all."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._network = resnet32(setup)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(fan_in, filters, 3, stride=stride, padding=1)
            for fan_in, filters, stride in self._network.convolutions
        )
        self.normalisations = nn.ModuleList(Normalisation(filters) for filters in self._network.filters)
        self.output = Linear(self._network.filters[-1], setup.outputs)
        self.sets = setup.facts.experiences if setup.scenario is Scenario.TASK else 1
        self._sets = [BatchStatistics(self._network.filters) for _ in range(self.sets)]
        self.statistics = nn.ModuleList(self._sets)

    def forward(self, x: Tensor, task: int = 0) -> Tensor:
        """Outputs (batch, setup.outputs) for images of one task."""
        means, variances = self._sets[task].of_layers()

        def convolved(x: Tensor, layer: int) -> Tensor:
            values: Tensor = self.normalisations[layer](self.convolutions[layer](x), means[layer], variances[layer])
            return values

        def outputs(x: Tensor) -> Tensor:
            return self._network.through(x, convolved, self.output)

        return of_images(outputs, x, training=self.training)


class _ZenkeNet(nn.Module):
    def __init__(self, setup: Setup) -> None:
        super().__init__()
        *convolutions, hidden, output = zenke(setup).layout.shapes[::2]
        layers: list[nn.Module] = [
            nn.Conv2d(fan_in, filters, size, padding=padding)
            for (filters, fan_in, size, _), padding in zip(convolutions, PADDINGS, strict=True)
        ]
        self.layers = nn.ModuleList([*layers, Linear(hidden[1], hidden[0]), Linear(output[1], output[0])])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, setup.outputs)."""

        def outputs(x: Tensor) -> Tensor:
            return through(x, list(self.layers), training=self.training)

        return of_images(outputs, x, training=self.training)


_NETWORKS: dict[str, Callable[[Setup], nn.Module]] = {"mlp": Mlp, "resnet32": _ResNet32, "zenke": _ZenkeNet}


def ordinary_network(setup: Setup) -> nn.Module:
    """The protocol's network with weights of its own, of which `networks.target_network` gives the generated form.

    It gives outputs (batch, setup.outputs) for inputs (batch, *input_shape). One that has `sets` above 1, of batch
    statistics, wants to know the task of a batch as its second argument. Raises UserError if it cannot take the inputs,
    or has not the protocol's activation.
    """
    protocol = setup.protocol
    if protocol.network != "mlp" and protocol.activation != "relu":
        raise UserError(f"The network {protocol.network} has ReLU: found activation = {protocol.activation}.")
    network = _NETWORKS[protocol.network](setup)
    if protocol.initialisation == "xavier":
        xavier_initialise(network)
    return network


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
