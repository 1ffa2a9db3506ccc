"""ResNet-32 for small images (He et al. 2016, section 4.2): a function of one flat vector of parameters, or of layers.

As in von Oswald et al. 2020: 16 filters, then three groups of five blocks of two 3 x 3 convolutions with 16, 32 and 64
filters, all with biases and batch normalisation, whose gain and shift are parameters like the others. Shortcuts have no
parameters: where the size changes they skip every other pixel and fill up with channels of zeros, half of them before
and half after (option A of He et al.).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.layout import Layout

_BLOCKS = 5  # per group
_FILTERS = (16, 32, 64)  # of the groups; the first convolution has as many as the first group
MOMENTUM = 0.1  # of running statistics


@dataclass(frozen=True)
class ResNet32:
    """Sizes: images of `channels` and so many outputs.

    Parameters lie in the order of the authors' code: gain and shift of every normalisation, then weights and biases of
    every convolution, then those of the outputs.
    """

    outputs: int
    channels: int = 3
    # Outputs of every convolution, in order.
    filters: tuple[int, ...] = field(
        init=False, default=(_FILTERS[0], *(f for f in _FILTERS for _ in range(2 * _BLOCKS)))
    )

    @property
    def convolutions(self) -> list[tuple[int, int, int]]:
        """Channels that go into every convolution, its filters, and how many pixels it goes on at a time."""
        inputs = (self.channels, *self.filters[:-1])
        pairs = list(zip(inputs, self.filters, strict=True))
        return [(fan_in, filters, 2 if i and filters > fan_in else 1) for i, (fan_in, filters) in enumerate(pairs)]

    @property
    def layout(self) -> Layout:
        """Where the parameters lie."""
        normalisations = tuple((filters,) for filters in self.filters for _ in range(2))
        convolutions = tuple(
            shape for fan_in, filters, _ in self.convolutions for shape in ((filters, fan_in, 3, 3), (filters,))
        )
        return Layout((*normalisations, *convolutions, (self.outputs, _FILTERS[-1]), (self.outputs,)))

    def __call__(self, x: Tensor, flat: Tensor, statistics: BatchStatistics, *, training: bool) -> Tensor:
        """Outputs (batch, outputs) for images (batch, channels, height, width) and parameters (>= layout.parameters,).

        In training batches are normalised by their own statistics, which move the running ones; otherwise by those.
        """
        parameters = self.layout.views(flat)
        count = 2 * len(self.filters)
        normalisations, convolutions = parameters[:count], parameters[count:-2]
        means, variances = statistics.of_layers()
        strides = [stride for *_, stride in self.convolutions]

        def convolved(x: Tensor, layer: int) -> Tensor:
            at = slice(2 * layer, 2 * layer + 2)
            weight, bias = convolutions[at]
            values = functional.conv2d(x, weight, bias, stride=strides[layer], padding=1)
            gain, shift = normalisations[at]
            return functional.batch_norm(values, means[layer], variances[layer], gain, shift, training, MOMENTUM)

        return self.through(x, convolved, lambda x: functional.linear(x, *parameters[-2:]))

    def through(
        self, x: Tensor, convolved: Callable[[Tensor, int], Tensor], output: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Outputs (batch, outputs) for images; `convolved` is a convolution, given by its number, and normalised."""
        x = functional.relu(convolved(x, 0))
        for first in range(1, len(self.filters), 2):
            more = self.filters[first] - x.shape[1]
            values = functional.relu(convolved(x, first))
            if more:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more // 2, more // 2))
            x = functional.relu(convolved(values, first + 1) + x)
        return output(x.mean((2, 3)))


class BatchStatistics(nn.Module):
    """Running means and variances of all normalised layers of one network, 0 and 1 to begin with."""

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        self._filters = filters
        self.register_buffer("mean", torch.zeros(sum(filters)))
        self.register_buffer("variance", torch.ones(sum(filters)))

    def of_layers(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Means and variances of each layer (filters,), as views."""
        return self.get_buffer("mean").split(self._filters), self.get_buffer("variance").split(self._filters)
