"""Colour images that stay bytes in memory: values are made, and augmented in training, batch by batch.

Everything is tensor operations on the device where the images lie.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hnet_bench.avalanche_adapter.benchmark import Samples

CROP_PADDING = 4  # pixels on each side


class ImageSamples(Samples):
    """Inputs (N, 3, height, width) of images stored as (N, height, width, 3), uint8: value / 255 and then, given `mean`
    and `deviation` (3,) of the channels, less the one and divided by the other.

    Inputs are channels-last in memory, as images are stored and as convolutions on the CPU are fastest. If `augmented`,
    training sees images mirrored with probability 1/2 and cropped at random from their like with a black border.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        mean: Tensor | None = None,
        deviation: Tensor | None = None,
        augmented: bool = False,
        rows: Tensor | None = None,
    ) -> None:
        super().__init__(x, y, rows=rows)
        self._shift = torch.zeros(3) if mean is None else 255 * mean
        self._factor = 1 / (255 * (torch.ones(3) if deviation is None else deviation))
        self._augmented = augmented

    def content(self) -> Tensor:
        return self._stored if self._rows is None else self._stored[self._rows]

    def drawn(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        if not self._augmented:
            return self.take(indices)
        count, device = len(indices), self.y.device
        corners = torch.randint(2 * CROP_PADDING + 1, (2, count), generator=generator).to(device)
        mirrored = torch.randint(2, (count,), generator=generator).to(device)
        return self._values(crops(self.as_stored(indices), corners, mirrored))

    def _values(self, stored: Tensor) -> Tensor:
        return stored.float().sub_(self._shift).mul_(self._factor).permute(0, 3, 1, 2)


def crops(images: Tensor, corners: Tensor, mirrored: Tensor) -> Tensor:
    """Parts as large as the images (B, height, width, 3), cut out of them with a border of `CROP_PADDING` zeros.

    They begin in row corners[0] and column corners[1], (2, B) in all; left and right change sides where `mirrored` (B,)
    is 1.
    """
    count, height, width = images.shape[:3]
    device = images.device
    columns = torch.arange(width, device=device)
    columns = torch.where(mirrored.bool().unsqueeze(1), columns.flip(0), columns)
    across = (corners[1].unsqueeze(1) + columns).unsqueeze(1)
    down = corners[0].view(-1, 1, 1) + torch.arange(height, device=device).view(1, -1, 1)
    padded = functional.pad(images, (0, 0, *[CROP_PADDING] * 4))
    return padded[torch.arange(count, device=device).view(-1, 1, 1), down, across]
