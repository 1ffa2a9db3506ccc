"""ResNet-32 for small images (He et al. 2016, section 4.2): a function of one flat vector of parameters, or of layers.

As in von Oswald et al. 2020: 16 filters, then three groups of five blocks of two 3 x 3 convolutions with 16, 32 and 64
filters, all with biases and batch normalisation, whose gain and shift are parameters like the others. Shortcuts have no
parameters: where the size changes they skip every other pixel and fill up with channels of zeros, half of them before
and half after (option A of He et al.).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.images import image_shape, of_images
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.normalisation import MOMENTUM, BatchStatistics, Normalisation
from hnet_bench.nets.products import Linear
from hnet_bench.nets.target import TargetNetwork

_BLOCKS = 5  # per group
_SMALLEST_SIDE = 5  # of an image: smaller ones end as a single pixel, and a batch of one has no statistics then
_FILTERS = (16, 32, 64)  # of the groups; the first convolution has as many as the first group


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


class GeneratedResNet32(TargetNetwork):
    """With sets of running statistics: one for each task, or one for all."""

    def __init__(self, setup: Setup, sets: int) -> None:
        network = _resnet32(setup)
        super().__init__(network.layout, sets, network.filters)
        self._network = network

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        statistics = self._sets[task if len(self._sets) > 1 else 0]

        def outputs(x: Tensor) -> Tensor:
            return self._network(x, chunks.view(-1), statistics, training=self.training)

        return of_images(outputs, x, training=self.training)


class OrdinaryResNet32(nn.Module):
    """With weights of its own. In TASK every task has its running statistics, as under a hypernetwork (von Oswald et
    al. 2020, Figure 5); where the task is not known there is one set for all."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._network = _resnet32(setup)
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


def _resnet32(setup: Setup) -> ResNet32:
    """With the sizes of the setup. Raises UserError if it cannot take the inputs."""
    channels, _, _ = image_shape(setup, least=_SMALLEST_SIDE)
    return ResNet32(setup.outputs, channels)
