"""The networks that a protocol may ask for, with generated parameters: all called in the same way.

A further network is a function of a flat vector in a file of its own, a class here with its line in `NETWORKS`, and its
name in `interfaces.NetworkName`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import Setup, UserError
from hnet_bench.nets.hypernetwork import ACTIVATIONS
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.products import Linear
from hnet_bench.nets.resnet import BatchStatistics, ResNet32
from hnet_bench.nets.target import MlpShape, mlp, mlp_from_chunks
from hnet_bench.nets.zenke import SMALLEST_SIDE, ZenkeNet

# Images that go through a network at once in evaluation, so that what lies between its layers stays in the cache.
IMAGES_AT_ONCE = 100


class TargetNetwork(nn.Module):
    """A network whose parameters are generated, but for some that it may hold; it keeps `sets` sets of running
    statistics, if it has such."""

    def __init__(self, layout: Layout, sets: int = 0, filters: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.layout = layout
        self._sets = [BatchStatistics(filters) for _ in range(sets)]
        self.statistics = nn.ModuleList(self._sets)

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters generated for a task."""
        raise NotImplementedError


class GeneratedMlp(TargetNetwork):
    """The perceptron of the protocol, with ReLU in its fast form."""

    def __init__(self, setup: Setup, sets: int = 0) -> None:
        shape = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))
        super().__init__(shape.layout)
        self.shape = shape

    def features(self, x: Tensor) -> Tensor:
        """What goes into the first generated layer, (batch, features), for inputs (batch, ...)."""
        return x.flatten(1)

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        return mlp_from_chunks(self.features(x), chunks, self.shape)


class PartlyGeneratedMlp(TargetNetwork):
    """The perceptron of the protocol, of which the last layers alone are generated.

    The others, `shared`, hold weights of their own, with torch's initialisation, and are the same for all tasks: the
    cut of partial hypernetworks (Hemati et al. 2023, arXiv 2306.10724). Raises UserError if there are no others.
    """

    def __init__(self, setup: Setup, generated_layers: int) -> None:
        widths = (setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs)
        shared = len(widths) - 1 - generated_layers
        if shared < 1:
            raise UserError(
                f"Of the {len(widths) - 1} layers of the protocol's network fewer must be generated for any to be "
                f"shared, found generated_layers {generated_layers}; without generated_layers all are generated."
            )
        self.shape = MlpShape(widths[shared:])
        super().__init__(self.shape.layout)
        layers = [(Linear(*sizes), nn.ReLU()) for sizes in pairwise(widths[: shared + 1])]
        self.shared = nn.Sequential(*(part for layer in layers for part in layer))

    def features(self, x: Tensor) -> Tensor:
        """What goes into the first generated layer, (batch, features), for inputs (batch, ...)."""
        features: Tensor = self.shared(x.flatten(1))
        return features

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        return mlp_from_chunks(self.features(x), chunks, self.shape)


class GaussianMlp(GeneratedMlp):
    """The same at the means of a posterior: behind its parameters as many spreads are generated (`nets.gaussian`)."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.layout = Layout(2 * self.shape.layout.shapes)


class PlainMlp(GeneratedMlp):
    """The same with the protocol's activation, by autograd."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._activate = ACTIVATIONS[setup.protocol.activation]

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        return mlp(x.flatten(1), chunks.view(-1), self.shape, self._activate)


class _ResNet32(TargetNetwork):
    def __init__(self, setup: Setup, sets: int) -> None:
        network = resnet32(setup)
        super().__init__(network.layout, sets, network.filters)
        self._network = network

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        statistics = self._sets[task if len(self._sets) > 1 else 0]

        def outputs(x: Tensor) -> Tensor:
            return self._network(x, chunks.view(-1), statistics, training=self.training)

        return of_images(outputs, x, training=self.training)


class _ZenkeNet(TargetNetwork):
    def __init__(self, setup: Setup, sets: int) -> None:
        network = zenke(setup)
        super().__init__(network.layout)
        self._network = network

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        def outputs(x: Tensor) -> Tensor:
            return self._network(x, chunks.view(-1), training=self.training)

        return of_images(outputs, x, training=self.training)


NETWORKS: dict[str, Callable[[Setup, int], TargetNetwork]] = {
    "mlp": GeneratedMlp,
    "resnet32": _ResNet32,
    "zenke": _ZenkeNet,
}


def target_network(setup: Setup, sets: int = 1) -> TargetNetwork:
    """The protocol's network, with outputs for all heads. Raises UserError if it cannot take the inputs."""
    return NETWORKS[setup.protocol.network](setup, sets)


def resnet32(setup: Setup) -> ResNet32:
    """With the sizes of the setup. Raises UserError if it cannot take the inputs."""
    channels, _, _ = _image_shape(setup, least=1)
    return ResNet32(setup.outputs, channels)


def zenke(setup: Setup) -> ZenkeNet:
    """With the sizes of the setup. Raises UserError if it cannot take the inputs."""
    channels, height, width = _image_shape(setup, least=SMALLEST_SIDE)
    if height != width:
        raise UserError(f"The network zenke needs square images, found {height} x {width} pixels.")
    return ZenkeNet(setup.outputs, height, channels)


def of_images(network: Callable[[Tensor], Tensor], images: Tensor, *, training: bool) -> Tensor:
    """Outputs of a network for images (batch, channels, height, width), which go through in groups in evaluation."""
    groups = (images,) if training else images.split(IMAGES_AT_ONCE)
    outputs = [network(_channels_last(group)) for group in groups]
    return outputs[0] if training else torch.cat(outputs)


def _image_shape(setup: Setup, least: int) -> tuple[int, int, int]:
    shape = setup.facts.input_shape
    if len(shape) != 3 or min(shape[1:]) < least:
        raise UserError(
            f"The network {setup.protocol.network} needs images of at least {least} x {least} pixels, found inputs of "
            f"shape {shape}."
        )
    channels, height, width = shape
    return channels, height, width


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
