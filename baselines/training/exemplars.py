"""What iCaRL needs: which samples stand for their class, by herding (Rebuffi et al. 2017), and batches with targets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import Samples


def normalised_mean(features: Tensor) -> Tensor:
    """The mean (d,) of features (n, d), scaled to length 1."""
    return functional.normalize(features.mean(dim=0), dim=0)


def herd(features: Tensor, count: int) -> Tensor:
    """Positions (min(count, n),) of the chosen ones among normalised features (n, d), the most telling first.

    Each is the one that brings the mean of all chosen so far nearest to the normalised mean of the class; none is
    chosen twice, and of equals the first comes first.
    """
    count = min(count, len(features))
    mean = normalised_mean(features)
    # |(s + f) / k - m|^2 is least where |f|^2 + 2 f.(s - k m) is, with s the sum of those chosen before: one
    # matrix-vector product for each choice.
    squared = features.square().sum(dim=1)
    excess = -mean  # s - k m
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    for position in range(count):
        best = torch.argmin(torch.addmv(squared, features, excess, alpha=2)).view(1)
        chosen[position] = best[0]
        squared = squared.index_fill(0, best, torch.inf)
        excess = excess + features.index_select(0, best)[0] - mean
    return chosen


class BatchesWithTargets(InfiniteBatches):
    """Batches with the targets (batch, setup.outputs) of their samples between labels and task labels."""

    def __init__(self, samples: Samples, *, targets: Tensor, **rest: Any) -> None:
        super().__init__(samples, task_label=0, **rest)
        self._targets = targets

    def __next__(self) -> Any:
        chosen = self._next_indices()
        y, targets = self._samples.y.index_select(0, chosen), self._targets.index_select(0, chosen)
        return self._samples.take(chosen), y, targets, self._task_labels
