"""Where the parameters of a network lie in one flat vector, such as a hypernetwork generates."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Parameters of these shapes one after the other; the last two are weights (out, in) and biases of the outputs."""

    shapes: tuple[tuple[int, ...], ...]

    @property
    def parameters(self) -> int:
        """Number of parameters in all."""
        return sum(map(prod, self.shapes))

    def views(self, flat: Tensor) -> list[Tensor]:
        """Every parameter as a view of `flat` (>= parameters,).

        Autograd puts the gradients of all views together in one concatenation, where slices would cost a vector of full
        length each.
        """
        sizes = [prod(shape) for shape in self.shapes]
        parts = flat.split([*sizes, len(flat) - sum(sizes)])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=False)]

    def keeping_outputs(self, columns: slice) -> Tensor:
        """A vector (parameters,) of 1, with 0 for the weights and biases of all outputs but these."""
        width, outputs = self.shapes[-2][1], self.shapes[-1][0]
        kept = torch.zeros(outputs)
        kept[columns] = 1
        body = torch.ones(self.parameters - outputs * (width + 1))
        return torch.cat([body, kept.repeat_interleave(width), kept])
