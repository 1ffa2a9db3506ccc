"""The convolutional network of Zenke et al. 2017 for CIFAR: a function of one flat vector of parameters, or of layers.

Twice: a 3 x 3 convolution that keeps the size, one that does not, 2 x 2 max pooling, dropout of whole channels; then a
hidden layer with dropout, and the outputs. Sizes are those that von Oswald et al. 2020 took over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.interfaces import Setup, UserError
from hnet_bench.nets.images import image_shape, of_images
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.products import Linear
from hnet_bench.nets.target import TargetNetwork

_FILTERS = (32, 64)
_HIDDEN_UNITS = 512
PADDINGS = (1, 0, 1, 0)  # of the convolutions
_CHANNEL_DROPOUT, _DROPOUT = 0.25, 0.5
SMALLEST_SIDE = 10  # of images: anything smaller has no pixel left


@dataclass(frozen=True)
class ZenkeNet:
    """Sizes: square images of `channels` and `side` pixels each way, and so many outputs.

    Parameters lie layer by layer, weights before biases.
    """

    outputs: int
    side: int = 32
    channels: int = 3

    @property
    def layout(self) -> Layout:
        """Where the parameters lie."""
        side, inputs = self.side, self.channels
        shapes: list[tuple[int, ...]] = []
        for filters in _FILTERS:
            shapes += [(filters, inputs, 3, 3), (filters,), (filters, filters, 3, 3), (filters,)]
            side, inputs = (side - 2) // 2, filters
        shapes += [(_HIDDEN_UNITS, inputs * side * side), (_HIDDEN_UNITS,)]
        return Layout((*shapes, (self.outputs, _HIDDEN_UNITS), (self.outputs,)))

    def __call__(self, x: Tensor, flat: Tensor, *, training: bool) -> Tensor:
        """Outputs (batch, outputs) for images (batch, channels, side, side) and parameters (>= layout.parameters,)."""
        parameters = self.layout.views(flat)
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        convolutions = [
            partial(functional.conv2d, weight=weight, bias=bias, padding=padding)
            for (weight, bias), padding in zip(pairs, PADDINGS, strict=False)
        ]
        linear = [partial(functional.linear, weight=weight, bias=bias) for weight, bias in pairs[-2:]]
        return through(x, [*convolutions, *linear], training=training)


def through(x: Tensor, layers: Sequence[Callable[[Tensor], Tensor]], *, training: bool) -> Tensor:
    """Outputs (batch, outputs) of four convolutions, a hidden layer and the outputs, for images (batch, channels, side,
    side).

    Dropout, in training alone, draws from torch's global generator.
    """
    *convolutions, hidden, output = layers
    for first, second in (convolutions[:2], convolutions[2:]):
        x = functional.relu(first(x))
        x = functional.max_pool2d(functional.relu(second(x)), 2)
        x = functional.dropout2d(x, _CHANNEL_DROPOUT, training=training)
    # flatten takes channels first, wherever they lie in memory.
    values = functional.relu(hidden(x.flatten(1)))
    return output(functional.dropout(values, _DROPOUT, training=training))


class GeneratedZenkeNet(TargetNetwork):
    """It has no batch statistics, however many sets are asked for."""

    def __init__(self, setup: Setup, sets: int) -> None:
        network = _zenke(setup)
        super().__init__(network.layout)
        self._network = network

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        def outputs(x: Tensor) -> Tensor:
            return self._network(x, chunks.view(-1), training=self.training)

        return of_images(outputs, x, training=self.training)


class OrdinaryZenkeNet(nn.Module):
    """With weights of its own."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        *convolutions, hidden, output = _zenke(setup).layout.shapes[::2]
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


def _zenke(setup: Setup) -> ZenkeNet:
    """With the sizes of the setup. Raises UserError if it cannot take the inputs."""
    channels, height, width = image_shape(setup, least=SMALLEST_SIDE)
    if height != width:
        raise UserError(f"The network zenke needs square images, found {height} x {width} pixels.")
    return ZenkeNet(setup.outputs, height, channels)
