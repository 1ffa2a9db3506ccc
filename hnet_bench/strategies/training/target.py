"""The target networks that a protocol may ask for, all called in the same way, with their batch statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import Setup, UserError
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.resnet import BatchStatistics, ResNet32
from hnet_bench.nets.target import MlpShape, mlp_from_chunks
from hnet_bench.nets.zenke import SMALLEST_SIDE, ZenkeNet

# Inputs that go through a network at once in evaluation, so that what lies between its layers stays in the cache.
_AT_ONCE = 100


class TargetNetwork(nn.Module):
    """A network without parameters of its own; it keeps `sets` sets of running statistics, if it has such."""

    def __init__(self, layout: Layout, sets: int = 0, filters: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.layout = layout
        self._sets = [BatchStatistics(filters) for _ in range(sets)]
        self.statistics = nn.ModuleList(self._sets)

    def forward(self, x: Tensor, chunks: Tensor, which: int) -> Tensor:
        """Outputs (batch, outputs) for inputs (batch, ...), with generated parameters and statistics number `which`."""
        if self.training:
            return self.outputs(x, chunks, which)
        return torch.cat([self.outputs(part, chunks, which) for part in x.split(_AT_ONCE)])

    def outputs(self, x: Tensor, chunks: Tensor, which: int) -> Tensor:
        """As `forward`, for all inputs at once."""
        raise NotImplementedError


class _Mlp(TargetNetwork):
    def __init__(self, setup: Setup, sets: int) -> None:
        shape = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))
        super().__init__(Layout(shape.shapes))
        self._shape = shape

    def outputs(self, x: Tensor, chunks: Tensor, which: int) -> Tensor:
        return mlp_from_chunks(x.flatten(1), chunks, self._shape)


class _ResNet32(TargetNetwork):
    def __init__(self, setup: Setup, sets: int) -> None:
        channels, _, _ = _image_shape(setup, least=1)
        network = ResNet32(setup.outputs, channels)
        super().__init__(network.layout, sets, network.filters)
        self._network = network

    def outputs(self, x: Tensor, chunks: Tensor, which: int) -> Tensor:
        return self._network(_channels_last(x), chunks.view(-1), self._sets[which], training=self.training)


class _ZenkeNet(TargetNetwork):
    def __init__(self, setup: Setup, sets: int) -> None:
        channels, height, width = _image_shape(setup, least=SMALLEST_SIDE)
        if height != width:
            raise UserError(f"The network zenke needs square images, found {height} x {width} pixels.")
        network = ZenkeNet(setup.outputs, height, channels)
        super().__init__(network.layout)
        self._network = network

    def outputs(self, x: Tensor, chunks: Tensor, which: int) -> Tensor:
        return self._network(_channels_last(x), chunks.view(-1), training=self.training)


_NETWORKS: dict[str, type[_Mlp] | type[_ResNet32] | type[_ZenkeNet]] = {
    "mlp": _Mlp,
    "resnet32": _ResNet32,
    "zenke": _ZenkeNet,
}


def target_network(setup: Setup, sets: int) -> TargetNetwork:
    """The protocol's network, with outputs for all heads. Raises UserError if it cannot take the inputs."""
    return _NETWORKS[setup.protocol.network](setup, sets)


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
