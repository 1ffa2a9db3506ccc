"""How images go through networks that convolve."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hnet_bench.interfaces import Setup, UserError

# Images that go through a network at once in evaluation, so that what lies between its layers stays in the cache.
IMAGES_AT_ONCE = 100


def of_images(network: Callable[[Tensor], Tensor], images: Tensor, *, training: bool) -> Tensor:
    """Outputs of a network for images (batch, channels, height, width), which go through in groups in evaluation."""
    groups = (images,) if training else images.split(IMAGES_AT_ONCE)
    outputs = [network(_channels_last(group)) for group in groups]
    return outputs[0] if training else torch.cat(outputs)


def image_shape(setup: Setup, least: int) -> tuple[int, int, int]:
    """Channels, height and width of inputs. Raises UserError if they are no images of so many pixels each way."""
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
