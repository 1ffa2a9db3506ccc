"""Batch normalisation whose running statistics stand apart from gain and shift, so that each task may have its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MOMENTUM = 0.1  # of running statistics


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


class Normalisation(nn.Module):
    """Batch normalisation by statistics that it is given: in training by those of the batch, which these follow."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(filters))  # gain
        self.bias = nn.Parameter(torch.zeros(filters))  # shift

    def forward(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Values (batch, filters, height, width), with running statistics (filters,)."""
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, self.training, MOMENTUM)
