"""Memory aware synapses: a parameter is important if the size of the outputs depends on it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from baselines.training.anchored import AnchoredTemplate


def squared_norm_derivatives(outputs: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Derivative of the squared norm of each sample's outputs (batch, C) by these; labels play no part."""
    yield torch.ones_like(outputs[:, 0]), 2 * outputs


class MasTemplate(AnchoredTemplate):
    """One penalty about the latest weights; importances of all experiences add up."""

    def consolidate(self) -> None:
        """Moves the penalty to the present weights."""
        self.penalty.move(self.importances(squared_norm_derivatives, torch.abs), self.trained_parameters())
